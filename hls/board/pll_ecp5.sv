// pll_ecp5 - a clock of ClockIn * Feedback / Reference MHz on ECP5, and when it is steady.
//
// The oscillator inside runs at the output times Divide, which must lie in 400 .. 800 MHz.

module pll_ecp5 #(
  parameter int unsigned Reference = 1,
  parameter int unsigned Feedback  = 1,
  parameter int unsigned Divide    = 8
) (
  input  logic clk_i,
  output logic clk_o,
  output logic locked_o
);
  EHXPLLL #(
    .PLLRST_ENA("DISABLED"), .INTFB_WAKE("DISABLED"), .STDBY_ENABLE("DISABLED"), .DPHASE_SOURCE("DISABLED"),
    .OUTDIVIDER_MUXA("DIVA"), .CLKOP_ENABLE("ENABLED"), .FEEDBK_PATH("CLKOP"),
    .CLKI_DIV(Reference), .CLKFB_DIV(Feedback), .CLKOP_DIV(Divide), .CLKOP_CPHASE(Divide / 2), .CLKOP_FPHASE(0)
  ) pll (
    .RST(1'b0), .STDBY(1'b0), .CLKI(clk_i), .CLKOP(clk_o), .CLKFB(clk_o), .CLKINTFB(),
    .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1), .PLLWAKESYNC(1'b0),
    .ENCLKOP(1'b0), .LOCK(locked_o)
  );
endmodule
