// product_pair - one number times two others, in one DSP block.
//
//   y[r] = x * w[r]        two's complement, combinational; every product must fit Low bits, YBits are at least Low
//
// The block multiplies x by w[1] * 2^Low + w[0]: the low bits of that are the lower product, the others the upper one, less
// one where the lower is negative. Half of 2^Low, which AMD's blocks add by themselves, makes the lower never negative and
// inverts its sign bit. The packed factor has Low + WBits + 1 bits: two least weights need all of them.

module product_pair #(
  parameter int unsigned XBits = 9,
  parameter int unsigned WBits = 8,
  parameter int unsigned Low   = 16,  // bits of a product, its sign included
  parameter int unsigned YBits = 17
) (
  input  logic signed [XBits-1:0]   x_i,
  input  logic        [2*WBits-1:0] w_i,  // w[0] low
  output logic        [2*YBits-1:0] y_o
);
  localparam int unsigned PackedBits = Low + WBits + 1;
  localparam int unsigned BothBits   = Low + YBits;

  logic signed [WBits-1:0] lower, upper;
  logic [WBits:0] high;
  logic signed [PackedBits-1:0] packed_w;
  (* use_dsp = "yes" *) logic signed [BothBits-1:0] both;

  assign {upper, lower} = w_i;
  // the sum of w[1] * 2^Low and w[0], whose sign bits take one away from w[1]
  assign high     = (WBits + 1)'(upper) - (WBits + 1)'(lower[WBits-1]);
  assign packed_w = {high, Low'(lower)};
  assign both     = BothBits'(packed_w) * BothBits'(x_i) + $signed(BothBits'(1) << (Low - 1));
  assign y_o      = {both[BothBits-1:Low], YBits'($signed({!both[Low-1], both[Low-2:0]}))};
endmodule
