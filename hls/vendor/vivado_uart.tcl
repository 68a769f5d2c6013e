# vivado_uart - a bitstream for a board with a serial line and no processor (Arty A7): board_serial around the network.
#
#   vivado -mode batch -source vivado_uart.tcl            (in the deploy folder)
# design.tcl sets: part, clock_mhz, pins (port pin ..), io, generics (name value ..), defines (what of
# rtl/ is made of the family's own cells). Sources lie in rtl/.
# The network's clock comes from the PLL in board_serial; a clock that does not close ends the run with an error.

source design.tcl

create_project -force -part $part network vivado
add_files [glob rtl/*.sv]
add_files [glob -nocomplain rtl/*.mem]
set_property top board_serial [current_fileset]
set_property generic $generics [current_fileset]
set_property verilog_define $defines [current_fileset]

set constraints [open vivado/board.xdc w]
puts $constraints "create_clock -period [expr {1000.0 / $clock_mhz}] \[get_ports clk_i\]"
foreach {port pin} $pins {
  puts $constraints "set_property -dict {PACKAGE_PIN $pin IOSTANDARD $io} \[get_ports $port\]"
}
puts $constraints "set_false_path -from \[get_ports rx_i\]"
puts $constraints "set_false_path -to \[get_ports tx_o\]"
puts $constraints "set_property CFGBVS VCCO \[current_design\]"
puts $constraints "set_property CONFIG_VOLTAGE 3.3 \[current_design\]"
close $constraints
add_files -fileset constrs_1 vivado/board.xdc

launch_runs impl_1 -to_step write_bitstream -jobs 4
wait_on_run impl_1
if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} {
  error "vivado_uart: implementation did not finish; see vivado/network.runs/impl_1/runme.log"
}
if {[get_property STATS.WNS [get_runs impl_1]] < 0} {
  error "vivado_uart: timing does not close; plan for a lower clock: hwflow compile --clock MHZ"
}
file copy -force vivado/network.runs/impl_1/board_serial.bit design.bit
