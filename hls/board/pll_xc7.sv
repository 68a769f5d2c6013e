// pll_xc7 - a clock of ClockIn * Feedback / (Reference * Divide) MHz on AMD 7 series.
//
// The oscillator inside runs at the output times Divide, which must lie in 600 .. 1200 MHz.

module pll_xc7 #(
  parameter int unsigned Reference = 1,
  parameter int unsigned Feedback  = 10,
  parameter int unsigned Divide    = 10,
  parameter int unsigned PeriodNs  = 10  // of the clock in
) (
  input  logic clk_i,
  output logic clk_o,
  output logic locked_o
);
  logic feedback, clock;
  MMCME2_BASE #(
    .CLKIN1_PERIOD(PeriodNs), .DIVCLK_DIVIDE(Reference), .CLKFBOUT_MULT_F(Feedback), .CLKOUT0_DIVIDE_F(Divide)
  ) pll (
    .CLKIN1(clk_i), .CLKFBIN(feedback), .CLKFBOUT(feedback), .CLKOUT0(clock), .LOCKED(locked_o), .PWRDWN(1'b0), .RST(1'b0)
  );
  BUFG buffer (.I(clock), .O(clk_o));
endmodule
