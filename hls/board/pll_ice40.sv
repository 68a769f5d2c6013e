// pll_ice40 - a clock of ClockIn * (Feedback + 1) / (2^Divide * (Reference + 1)) MHz on iCE40, from a PLL pad.
//
// With Divide = 0 the pad's clock goes straight through: the PLL makes nothing below 16 MHz.

module pll_ice40 #(
  parameter int unsigned Reference = 0,
  parameter int unsigned Feedback  = 0,
  parameter int unsigned Divide    = 0,
  parameter int unsigned Filter    = 1
) (
  input  logic clk_i,
  output logic clk_o,
  output logic locked_o
);
  if (Divide == 0) begin : gen_straight
    SB_GB buffer (.USER_SIGNAL_TO_GLOBAL_BUFFER(clk_i), .GLOBAL_BUFFER_OUTPUT(clk_o));
    assign locked_o = 1'b1;
  end else begin : gen_pll
    SB_PLL40_PAD #(
      .FEEDBACK_PATH("SIMPLE"), .DIVR(4'(Reference)), .DIVF(7'(Feedback)), .DIVQ(3'(Divide)), .FILTER_RANGE(3'(Filter))
    ) pll (
      .PACKAGEPIN(clk_i), .PLLOUTGLOBAL(clk_o), .PLLOUTCORE(), .LOCK(locked_o), .RESETB(1'b1), .BYPASS(1'b0)
    );
  end
endmodule
