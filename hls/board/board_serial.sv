// board_serial - the network on a board with a serial line: the PLL of its family, reset, link.
//
// Family is ecp5, gowin, ice40 or xc7. The numbers of the PLL are those of pll_<Family>; a parameter that its PLL lacks is
// not looked at. ClockHz is what they make of the board's clock.

module board_serial #(
  parameter int unsigned InBits    = 8,
  parameter int unsigned InWords   = 1,
  parameter int unsigned OutBits   = 8,
  parameter int unsigned OutWords  = 1,
  parameter int unsigned DesignId  = 0,
  parameter int unsigned HashLow   = 0,
  parameter int unsigned HashHigh  = 0,
  parameter int unsigned LoadBytes  = 0,
  parameter int unsigned WeightsCrc = 0,
  parameter int unsigned ClockHz   = 25000000,
  parameter int unsigned Baud      = 1000000,
  parameter Family = "xc7",
  parameter int unsigned Reference = 1,
  parameter int unsigned Feedback  = 10,
  parameter int unsigned Divide    = 10,
  parameter int unsigned Filter    = 1,           // ice40
  parameter int unsigned PeriodNs  = 10,          // xc7
  parameter Clock  = "27",                        // gowin
  parameter Device = "GW1NR-9C"                   // gowin
) (
  input  logic clk_i,
  input  logic rx_i,
  output logic tx_o
);
  logic clk, locked, rst_n;

  if (Family == "ecp5") begin : gen_ecp5
    pll_ecp5 #(.Reference(Reference), .Feedback(Feedback), .Divide(Divide)) pll (
      .clk_i(clk_i), .clk_o(clk), .locked_o(locked)
    );
  end else if (Family == "gowin") begin : gen_gowin
    pll_gowin #(.Reference(Reference), .Feedback(Feedback), .Divide(Divide), .Clock(Clock), .Device(Device)) pll (
      .clk_i(clk_i), .clk_o(clk), .locked_o(locked)
    );
  end else if (Family == "ice40") begin : gen_ice40
    pll_ice40 #(.Reference(Reference), .Feedback(Feedback), .Divide(Divide), .Filter(Filter)) pll (
      .clk_i(clk_i), .clk_o(clk), .locked_o(locked)
    );
  end else if (Family == "xc7") begin : gen_xc7
    pll_xc7 #(.Reference(Reference), .Feedback(Feedback), .Divide(Divide), .PeriodNs(PeriodNs)) pll (
      .clk_i(clk_i), .clk_o(clk), .locked_o(locked)
    );
  end else begin : check_family
    $error("board_serial: Family must be ecp5, gowin, ice40 or xc7");
  end

  board_reset reset (.clk_i(clk), .locked_i(locked), .rst_no(rst_n));
  board_uart #(
    .InBits(InBits), .InWords(InWords), .OutBits(OutBits), .OutWords(OutWords), .DesignId(DesignId),
    .HashLow(HashLow), .HashHigh(HashHigh), .Counters(Family != "ice40"),
    .LoadBytes(LoadBytes), .WeightsCrc(WeightsCrc),
    .ClockHz(ClockHz), .Baud(Baud)
  ) board (.clk_i(clk), .rst_ni(rst_n), .rx_i(rx_i), .tx_o(tx_o));
endmodule
