# run_hls.tcl - C++ to RTL by Vitis HLS, 2022.2 to 2025.
#
#   vitis_hls -f run_hls.tcl                       2022.2 to 2024.1
#   vitis-run --mode hls --tcl run_hls.tcl         2023.1 and later
#
# HLS_STEPS picks the steps (default "csim csynth export"; also cosim), HLS_PART and HLS_PERIOD_NS override project.tcl.
# The csynth report is csynth.xml in hwflow_hls/solution1/syn/report; `hwflow report` reads it.

set here [file dirname [file normalize [info script]]]
source [file join $here project.tcl]
if {[info exists ::env(HLS_PART)]} {set part $::env(HLS_PART)}
if {[info exists ::env(HLS_PERIOD_NS)]} {set period_ns $::env(HLS_PERIOD_NS)}
set steps {csim csynth export}
if {[info exists ::env(HLS_STEPS)]} {set steps $::env(HLS_STEPS)}

set cflags "-std=c++14 -DHWFLOW_AP_TYPES -I$here"
set check "[file join $here input.bin] --check [file join $here expected.bin]"

cd $here
open_project -reset hwflow_hls
set_top top
add_files [file join $here top.cpp] -cflags $cflags
add_files -tb [file join $here tb.cpp] -cflags $cflags
open_solution -reset solution1 -flow_target vivado
set_part $part
create_clock -period $period_ns -name default

foreach step $steps {
    switch $step {
        csim    {csim_design -argv $check}
        csynth  {csynth_design}
        cosim   {cosim_design -argv $check}
        export  {export_design -format ip_catalog -display_name $name}
        default {error "run_hls.tcl: HLS_STEPS holds $step; choose from csim csynth cosim export"}
    }
}
exit
