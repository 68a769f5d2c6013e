// board_xc7 - the network on an AMD 7 series part without a processor: PLL, reset, serial line.
//
// The numbers of the PLL are those of pll_xc7; ClockHz is what they make of the board's clock.

module board_xc7 #(
  parameter int unsigned InBits   = 8,
  parameter int unsigned InWords  = 1,
  parameter int unsigned OutBits  = 8,
  parameter int unsigned OutWords = 1,
  parameter int unsigned DesignId = 0,
  parameter int unsigned ClockHz  = 25000000,
  parameter int unsigned Baud     = 1000000,
  parameter int unsigned Reference = 1,
  parameter int unsigned Feedback  = 10,
  parameter int unsigned Divide    = 10,
  parameter int unsigned PeriodNs  = 10
) (
  input  logic clk_i,
  input  logic rx_i,
  output logic tx_o
);
  logic clk, locked, rst_n;

  pll_xc7 #(.Reference(Reference), .Feedback(Feedback), .Divide(Divide), .PeriodNs(PeriodNs)) pll (
    .clk_i(clk_i), .clk_o(clk), .locked_o(locked)
  );
  board_reset reset (.clk_i(clk), .locked_i(locked), .rst_no(rst_n));
  board_uart #(
    .InBits(InBits), .InWords(InWords), .OutBits(OutBits), .OutWords(OutWords), .DesignId(DesignId),
    .ClockHz(ClockHz), .Baud(Baud)
  ) board (.clk_i(clk), .rst_ni(rst_n), .rx_i(rx_i), .tx_o(tx_o));
endmodule
