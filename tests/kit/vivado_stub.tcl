# vivado_stub - Vivado's commands for tclsh, that check what a project names instead of building it (tests only).
#
#   tclsh vivado_stub.tcl SCRIPT [RELEASE]          (in the deploy folder; RELEASE is one of `releases`)
# Fails when a script names a file, module, port, parameter, IP, IP parameter or pin that does not exist, or a command
# that Vivado has not. Ends by listing what was checked. The IP's parameters and pins are those of AMD's documentation.

namespace eval stub {
  variable files {} cells {} checked 0 filled {}
  # the versions that block designs saved by each release name
  variable releases {
    2020.1 {processing_system7 5.5 zynq_ultra_ps_e 3.3 axi_dma 7.1 proc_sys_reset 5.0 smartconnect 1.0}
    2022.2 {processing_system7 5.5 zynq_ultra_ps_e 3.4 axi_dma 7.1 proc_sys_reset 5.0 smartconnect 1.0}
    2024.1 {processing_system7 5.5 zynq_ultra_ps_e 3.5 axi_dma 7.1 proc_sys_reset 5.0 smartconnect 1.0}
  }
  variable ip
  variable blocks {
    processing_system7 {
      {PCW_FPGA0_PERIPHERAL_FREQMHZ PCW_USE_S_AXI_HP0}
      {FCLK_CLK0 FCLK_RESET0_N M_AXI_GP0_ACLK S_AXI_HP0_ACLK} {M_AXI_GP0 S_AXI_HP0 DDR FIXED_IO}}
    zynq_ultra_ps_e {
      {PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ PSU__USE__S_AXI_GP2 PSU__USE__M_AXI_GP0 PSU__USE__M_AXI_GP1}
      {pl_clk0 pl_resetn0 maxihpm0_fpd_aclk saxihp0_fpd_aclk} {M_AXI_HPM0_FPD S_AXI_HP0_FPD}}
    axi_dma {
      {c_include_sg c_include_s2mm c_sg_length_width c_m_axi_mm2s_data_width c_m_axis_mm2s_tdata_width c_m_axi_s2mm_data_width
        c_s_axis_s2mm_tdata_width c_mm2s_burst_size c_s2mm_burst_size c_addr_width}
      {s_axi_lite_aclk m_axi_mm2s_aclk m_axi_s2mm_aclk axi_resetn}
      {S_AXI_LITE M_AXI_MM2S M_AXI_S2MM M_AXIS_MM2S S_AXIS_S2MM}}
    proc_sys_reset {{} {ext_reset_in slowest_sync_clk peripheral_aresetn} {}}
    smartconnect {
      {NUM_SI NUM_MI} {aclk aresetn} {S00_AXI S01_AXI S02_AXI S03_AXI M00_AXI M01_AXI M02_AXI M03_AXI}}
  }

  proc ok {true text} {
    variable checked
    if {!$true} {error "vivado_stub: $text"}
    incr checked
  }
  # the parameters and ports of a module in the files that were added: its header, up to the closing bracket
  proc module {name} {
    variable files
    foreach file $files {
      set in [open $file]
      set text [read $in]
      close $in
      if {![regexp "\\nmodule\\s+$name\\s*(.*?)\\);" "\n$text" _ head]} continue
      set params [lmap {_ p} [regexp -all -inline {parameter[^=;]*?(\w+)\s*=} $head] {set p}]
      set ports [lmap {_ p} [regexp -all -inline {(?:input|output)[^,;]*?(\w+)\s*(?:,|$|\n)} $head] {set p}]
      return [list $params $ports]
    }
    error "vivado_stub: module $name is in none of the files added"
  }
  # the bus interfaces a module's attributes declare; each must be of the clock's ASSOCIATED_BUSIF
  proc interfaces {name} {
    variable files
    foreach file $files {
      set in [open $file]
      set text [read $in]
      close $in
      if {![regexp "\\nmodule\\s+$name\\s*(.*?)\\n\\);" "\n$text" _ head]} continue
      set declared [lsort -unique [lmap {_ n} [regexp -all -inline {X_INTERFACE_INFO = \S+:interface:\w+:1.0 (\w+) } $head] {set n}]]
      ok [regexp {ASSOCIATED_BUSIF ([\w:]+)} $head _ busif] "$name: no clock is declared for its interfaces"
      foreach n $declared {ok [expr {$n in [split $busif :]}] "$name: interface $n goes by no clock"}
      return $declared
    }
    error "vivado_stub: module $name is in none of the files added"
  }
  proc generics {module pairs} {
    lassign [module $module] params
    foreach {name value} $pairs {
      ok [expr {$name in $params}] "$module has no parameter $name"
      ok [expr {$value ne ""}] "$module: parameter $name has no value"
    }
  }
  proc asked {define} {
    variable files
    foreach file $files {
      if {![file exists $file]} continue
      set in [open $file]
      set found [regexp "`ifdef $define\\M" [read $in]]
      close $in
      if {$found} {return 1}
    }
    return 0
  }
  proc parameter {cell name} {
    variable cells
    variable ip
    set kind [dict get $cells $cell]
    set known [expr {[dict exists $ip $kind] ? [lindex [dict get $ip $kind] 0] : [lindex [module $kind] 0]}]
    ok [expr {$name in $known}] "$cell ($kind) has no parameter $name"
  }
  proc pin {path interface} {
    variable cells
    variable ip
    lassign [split $path /] cell pin
    ok [dict exists $cells $cell] "there is no cell $cell for pin $path"
    set kind [dict get $cells $cell]
    if {[dict exists $ip $kind]} {
      set known [lindex [dict get $ip $kind] [expr {$interface ? 2 : 1}]]
    } else {
      set known [lindex [module $kind] 1]
      if {$interface} {set known [interfaces $kind]}
    }
    ok [expr {$pin in $known}] "$cell ($kind) has no [expr {$interface ? "interface" : "pin"}] $pin"
    return $path
  }
}

proc create_project {args} {
  stub::ok [expr {[lindex $args end-2] ne ""}] "a project needs a part"
  file mkdir [lindex $args end]
}
proc add_files {args} {
  set constraints 0
  if {[lindex $args 0] eq "-fileset"} {set constraints 1; set args [lrange $args 2 end]}
  foreach file [lindex $args 0] {
    stub::ok [file exists $file] "file $file does not exist"
    if {!$constraints} {lappend stub::files $file}
    if {$constraints} {constraints $file}
  }
}
proc constraints {file} {
  # constraints are Tcl too: every port they name is a port of the top
  set in [open $file]
  foreach line [split [read $in] \n] {
    foreach {_ port} [regexp -all -inline {get_ports (\w+)} $line] {
      stub::ok [expr {$port in [lindex [stub::module $::stub::top] 1]}] "$::stub::top has no port $port"
    }
  }
  close $in
}
proc set_property {args} {
  if {[lindex $args 0] eq "-dict"} {
    foreach {name value} [lindex $args 1] {set_property $name $value [lindex $args 2]}
    return
  }
  lassign $args name value object
  switch -glob $name {
    top {
      set ::stub::top $value
      if {$value ne "system_wrapper"} {stub::module $value}
    }
    generic {
      foreach pair $value {stub::generics $::stub::top [split $pair =]}
    }
    verilog_define {
      foreach define $value {stub::ok [stub::asked $define] "no file asks for the define $define"}
    }
    CONFIG.* {stub::parameter $object [string range $name 7 end]}
    board_part {}
    default {error "vivado_stub: unknown property $name"}
  }
}
proc create_bd_cell {args} {
  set name [lindex $args end]
  if {[set at [lsearch $args -vlnv]] >= 0} {
    set kind [lindex $args $at+1]
    stub::ok [dict exists $stub::ip $kind] "unknown IP $kind"
  } else {
    set kind [lindex $args [lsearch $args -reference]+1]
    stub::module $kind
    foreach file $stub::files {
      if {[file rootname [file tail $file]] eq $kind} {stub::ok [string match *.v $file] "module reference $kind must be Verilog"}
    }
  }
  dict set stub::cells $name $kind
  return $name
}
proc get_bd_pins {path} {stub::pin $path 0}
proc get_bd_intf_pins {path} {stub::pin $path 1}
proc connect_bd_net {from to} {
  stub::ok [expr {$to ni $stub::filled}] "pin $to is driven twice"
  lappend stub::filled $to
}
proc connect_bd_intf_net {from to} {
  foreach end [list $from $to] {
    stub::ok [expr {$end ni $stub::filled}] "interface $end is connected twice"
    lappend stub::filled $end
  }
}
proc validate_bd_design {} {
  # every clock, reset and stream of the network is connected
  dict for {cell kind} $stub::cells {
    if {[dict exists $stub::ip $kind]} continue
    foreach port [lindex [stub::module $kind] 1] {
      regsub {_(t(valid|ready|data|last|keep)|(aw|w|b|ar|r)(valid|ready|addr|prot|data|strb|resp))$} $port {} base
      stub::ok [expr {"$cell/$base" in $stub::filled}] "$cell/$port is not connected"
    }
  }
}
proc get_property {name object} {expr {$name eq "PROGRESS" ? "100%" : 0.1}}
foreach command {current_fileset current_project get_board_parts update_compile_order create_bd_design apply_bd_automation
    assign_bd_address save_bd_design make_wrapper get_files launch_runs wait_on_run get_runs} {
  proc $command {args} {lindex $args end}
}
# what implementation would have left
rename file tcl_file
proc file {what args} {
  if {$what eq "copy"} return
  uplevel 1 [list tcl_file $what {*}$args]
}
rename glob tcl_glob
proc glob {args} {
  if {[string match vivado/* [lindex $args end]]} {return [list [lindex $args end]]}
  uplevel 1 [list tcl_glob {*}$args]
}

set release [expr {[llength $argv] > 1 ? [lindex $argv 1] : "2024.1"}]
foreach {kind version} [dict get $stub::releases $release] {
  dict set stub::ip xilinx.com:ip:$kind:$version [dict get $stub::blocks $kind]
}
proc get_ipdefs {args} {lsearch -all -inline [dict keys $stub::ip] [lindex $args end]}
source [lindex $argv 0]
puts "vivado_stub: $stub::checked names checked"
