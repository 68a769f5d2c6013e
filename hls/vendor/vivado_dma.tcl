# vivado_dma - bitstream and hardware description for PYNQ on Zynq and Zynq UltraScale+: the network behind an AXI DMA.
#
#   vivado -mode batch -source vivado_dma.tcl             (in the deploy folder)
# design.tcl sets: part, board_part (may be empty), processor (ps7 or psu), clock_mhz, generics (name value ..), defines (what
# of rtl/ is made of the family's own cells) and, where weights are streamed, feeds (how many units take them). Each of these
# has a DMA of its own, weights_0, weights_1, ..
# The processor gives the clock and reads the network's registers; the DMA reads images from memory and writes answers back, both 64 bits wide.

# Every release has its own versions of AMD's blocks: whatever is there is taken.

set feeds 0
source design.tcl

proc block {kind name} {
  set found [lsort -dictionary [get_ipdefs -all xilinx.com:ip:$kind:*]]
  if {![llength $found]} {
    error "vivado_dma: this Vivado has no block $kind; install the part's device family with AMD's installer"
  }
  return [create_bd_cell -type ip -vlnv [lindex $found end] $name]
}

create_project -force -part $part network vivado
if {$board_part ne "" && [llength [get_board_parts -quiet $board_part]]} {
  set_property board_part $board_part [current_project]
}
add_files [glob rtl/*.sv rtl/*.v]
add_files [glob -nocomplain rtl/*.mem]
set_property verilog_define $defines [current_fileset]
update_compile_order -fileset sources_1
create_bd_design system

# the processor, its clock and one port into its memory

if {$processor eq "ps7"} {
  set ps [block processing_system7 ps]
  apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 -config {make_external "FIXED_IO, DDR" apply_board_preset "1"} $ps
  set_property -dict [list CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $clock_mhz CONFIG.PCW_USE_S_AXI_HP0 1] $ps
  set clock ps/FCLK_CLK0
  set reset ps/FCLK_RESET0_N
  set control ps/M_AXI_GP0
  set memory ps/S_AXI_HP0
  set address_bits 32
  set clocked {ps/M_AXI_GP0_ACLK ps/S_AXI_HP0_ACLK}
} else {
  set ps [block zynq_ultra_ps_e ps]
  apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config {apply_board_preset "1"} $ps
  set_property -dict [list CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $clock_mhz CONFIG.PSU__USE__S_AXI_GP2 1 \
    CONFIG.PSU__USE__M_AXI_GP0 1 CONFIG.PSU__USE__M_AXI_GP1 0] $ps
  set clock ps/pl_clk0
  set reset ps/pl_resetn0
  set control ps/M_AXI_HPM0_FPD
  set memory ps/S_AXI_HP0_FPD
  set address_bits 40
  set clocked {ps/maxihpm0_fpd_aclk ps/saxihp0_fpd_aclk}
}

# the DMA and the network

set dma [block axi_dma dma]
set_property -dict [list CONFIG.c_include_sg 0 CONFIG.c_sg_length_width 26 CONFIG.c_m_axi_mm2s_data_width 64 \
  CONFIG.c_m_axis_mm2s_tdata_width 64 CONFIG.c_m_axi_s2mm_data_width 64 CONFIG.c_s_axis_s2mm_tdata_width 64 \
  CONFIG.c_mm2s_burst_size 16 CONFIG.c_s2mm_burst_size 16 CONFIG.c_addr_width $address_bits] $dma
set network [create_bd_cell -type module -reference board_dma_bd network]
foreach {name value} $generics {
  set_property CONFIG.$name $value $network
}
connect_bd_intf_net [get_bd_intf_pins dma/M_AXIS_MM2S] [get_bd_intf_pins network/s_axis]
connect_bd_intf_net [get_bd_intf_pins network/m_axis] [get_bd_intf_pins dma/S_AXIS_S2MM]
for {set k 0} {$k < $feeds} {incr k} {
  set weights [block axi_dma weights_$k]
  set_property -dict [list CONFIG.c_include_sg 0 CONFIG.c_include_s2mm 0 CONFIG.c_sg_length_width 26 CONFIG.c_m_axi_mm2s_data_width 64 \
    CONFIG.c_m_axis_mm2s_tdata_width 64 CONFIG.c_mm2s_burst_size 16 CONFIG.c_addr_width $address_bits] $weights
  connect_bd_intf_net [get_bd_intf_pins weights_$k/M_AXIS_MM2S] [get_bd_intf_pins network/w${k}_axis]
}

# reset, and the two interconnects

set resets [block proc_sys_reset resets]
connect_bd_net [get_bd_pins $reset] [get_bd_pins resets/ext_reset_in]
set to_control [block smartconnect to_control]
set_property -dict [list CONFIG.NUM_SI 1 CONFIG.NUM_MI [expr {2 + $feeds}]] $to_control
set to_memory [block smartconnect to_memory]
set_property -dict [list CONFIG.NUM_SI [expr {2 + $feeds}] CONFIG.NUM_MI 1] $to_memory
connect_bd_intf_net [get_bd_intf_pins $control] [get_bd_intf_pins to_control/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins to_control/M00_AXI] [get_bd_intf_pins dma/S_AXI_LITE]
connect_bd_intf_net [get_bd_intf_pins to_control/M01_AXI] [get_bd_intf_pins network/s_axil]
connect_bd_intf_net [get_bd_intf_pins dma/M_AXI_MM2S] [get_bd_intf_pins to_memory/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins dma/M_AXI_S2MM] [get_bd_intf_pins to_memory/S01_AXI]
connect_bd_intf_net [get_bd_intf_pins to_memory/M00_AXI] [get_bd_intf_pins $memory]
set weight_clocks {}
set weight_resets {}
for {set k 0} {$k < $feeds} {incr k} {
  set port [format %02d [expr {2 + $k}]]
  connect_bd_intf_net [get_bd_intf_pins to_control/M${port}_AXI] [get_bd_intf_pins weights_$k/S_AXI_LITE]
  connect_bd_intf_net [get_bd_intf_pins weights_$k/M_AXI_MM2S] [get_bd_intf_pins to_memory/S${port}_AXI]
  lappend weight_clocks weights_$k/s_axi_lite_aclk weights_$k/m_axi_mm2s_aclk
  lappend weight_resets weights_$k/axi_resetn
}

foreach pin [concat $clocked $weight_clocks {resets/slowest_sync_clk to_control/aclk to_memory/aclk dma/s_axi_lite_aclk dma/m_axi_mm2s_aclk \
    dma/m_axi_s2mm_aclk network/clk_i}] {
  connect_bd_net [get_bd_pins $clock] [get_bd_pins $pin]
}
foreach pin [concat {to_control/aresetn to_memory/aresetn dma/axi_resetn network/rst_ni} $weight_resets] {
  connect_bd_net [get_bd_pins resets/peripheral_aresetn] [get_bd_pins $pin]
}
assign_bd_address
validate_bd_design
save_bd_design

make_wrapper -files [get_files system.bd] -top -import
set_property top system_wrapper [current_fileset]
launch_runs impl_1 -to_step write_bitstream -jobs 4
wait_on_run impl_1
if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} {
  error "vivado_dma: implementation did not finish; see vivado/network.runs/impl_1/runme.log"
}
if {[get_property STATS.WNS [get_runs impl_1]] < 0} {
  error "vivado_dma: timing does not close; plan for a lower clock: hwflow compile --clock MHZ"
}
# PYNQ wants the bitstream and the hardware description side by side, under one name
file copy -force vivado/network.runs/impl_1/system_wrapper.bit design.bit
file copy -force [lindex [glob vivado/network.gen/sources_1/bd/system/hw_handoff/system.hwh] 0] design.hwh
