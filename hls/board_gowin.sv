// board_gowin - the network on a Gowin GW1N or GW2A: PLL, reset, serial line.
//
// The numbers of the PLL are those of pll_gowin; ClockHz is what they make of the board's clock.

module board_gowin #(
  parameter int unsigned InBits   = 8,
  parameter int unsigned InWords  = 1,
  parameter int unsigned OutBits  = 8,
  parameter int unsigned OutWords = 1,
  parameter int unsigned DesignId = 0,
  parameter int unsigned ClockHz  = 25000000,
  parameter int unsigned Baud     = 1000000,
  parameter int unsigned Reference = 0,
  parameter int unsigned Feedback  = 0,
  parameter int unsigned Divide    = 8,
  parameter Clock  = "27",
  parameter Device = "GW1NR-9C"
) (
  input  logic clk_i,
  input  logic rx_i,
  output logic tx_o
);
  logic clk, locked, rst_n;

  pll_gowin #(.Reference(Reference), .Feedback(Feedback), .Divide(Divide), .Clock(Clock), .Device(Device)) pll (
    .clk_i(clk_i), .clk_o(clk), .locked_o(locked)
  );
  board_reset reset (.clk_i(clk), .locked_i(locked), .rst_no(rst_n));
  board_uart #(
    .InBits(InBits), .InWords(InWords), .OutBits(OutBits), .OutWords(OutWords), .DesignId(DesignId),
    .ClockHz(ClockHz), .Baud(Baud)
  ) board (.clk_i(clk), .rst_ni(rst_n), .rx_i(rx_i), .tx_o(tx_o));
endmodule
