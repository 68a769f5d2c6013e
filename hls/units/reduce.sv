// reduce - the largest or the sum of the taps of every window, for pools that overlap or are padded.
//
//   y[p, q, c] = max or sum over t < Taps of x[p, q, t, c]
//
// x comes from a window in depthwise order: for each block of Pe channels its Taps, one word after another. Where
// Minimum (or a channel's bit in MinimumFile) is 1 the least is taken.
// Timing: one cycle a word of x; a result leaves 1 cycle after its last tap came.
module reduce #(
  parameter int unsigned Taps     = 4,
  parameter int unsigned Channels = 1,
  parameter int unsigned Pe       = 1,  // elements a word, divides Channels
  parameter int unsigned XBits    = 1,  // bits of an element of x
  parameter int unsigned XKind    = 0,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned YBits    = 1,  // bits of an element of y; XBits unless Sum
  parameter int unsigned Sum      = 0,  // 1: the sum, two's complement where it can be negative
  parameter int unsigned Minimum  = 0,
  parameter              MinimumFile = ""  // instead of Minimum: Channels/Pe words of Pe bits
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                x_valid_i,
  output logic                x_ready_o,
  input  logic [Pe*XBits-1:0] x_data_i,
  output logic                y_valid_o,
  input  logic                y_ready_i,
  output logic [Pe*YBits-1:0] y_data_o
);
  localparam int unsigned Blocks = Channels / Pe;
  localparam int unsigned BBits = Blocks > 1 ? $clog2(Blocks) : 1;
  localparam int unsigned TBits = Taps > 1 ? $clog2(Taps) : 1;

  if (Channels % Pe != 0) begin : gen_bad_pe
    $error("reduce: Pe=%0d does not divide Channels=%0d", Pe, Channels);
  end

  logic [TBits-1:0] tap_q;
  logic first, last, step;
  assign first = tap_q == '0;
  assign last  = tap_q == TBits'(Taps - 1);
  assign x_ready_o = !last || !y_valid_o || y_ready_i;
  assign step = x_valid_i && x_ready_o;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) tap_q <= '0;
    else if (step) tap_q <= last ? '0 : tap_q + 1'b1;
  end

  logic [BBits-1:0] b_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) b_q <= '0;
    else if (step && last) b_q <= b_q == BBits'(Blocks - 1) ? '0 : b_q + 1'b1;
  end

  logic [Pe*YBits-1:0] acc_q, acc_d;
  pool_step #(
    .Pe(Pe), .Blocks(Blocks), .XBits(XBits), .XKind(XKind), .YBits(YBits), .Sum(Sum), .Minimum(Minimum),
    .MinimumFile(MinimumFile)
  ) lanes (
    .first_i(first), .block_i(b_q), .x_i(x_data_i), .old_i(acc_q), .new_o(acc_d)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) y_valid_o <= 1'b0;
    else y_valid_o <= (step && last) || (y_valid_o && !y_ready_i);
    if (step) acc_q <= acc_d;
    if (step && last) y_data_o <= acc_d;
  end
endmodule
