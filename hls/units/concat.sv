// concat - the channels of several streams, one after the other in every pixel.
//
//   y[p] = {Scale0 * x_0[p], Scale1 * x_1[p], ..}        Inputs parts; input 0 comes first and has the low port bits
//
// Each input gives its words of a pixel in turn. With YKind 0 all are -1/+1 with scale 1 and leave as they came.
// Timing: one cycle a word of y, no cycle from x to y.
module concat #(
  parameter int unsigned Inputs = 2,  // 1 .. 4
  parameter int unsigned Simd   = 1,  // elements a word
  parameter int unsigned YBits  = 8,  // bits of an element of y
  parameter int unsigned YKind  = 2,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned Words0 = 1,  // words of a pixel of x_0
  parameter int          Scale0 = 1,
  parameter int unsigned XBits0 = 8,  // bits of an element of x_0
  parameter int unsigned XKind0 = 2,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned Words1 = 1,
  parameter int          Scale1 = 1,
  parameter int unsigned XBits1 = 8,
  parameter int unsigned XKind1 = 2,
  parameter int unsigned Words2 = 0,
  parameter int          Scale2 = 0,
  parameter int unsigned XBits2 = 1,
  parameter int unsigned XKind2 = 1,
  parameter int unsigned Words3 = 0,
  parameter int          Scale3 = 0,
  parameter int unsigned XBits3 = 1,
  parameter int unsigned XKind3 = 1,
  localparam int unsigned Low1 = XBits0,  // bits of the inputs before, by element
  localparam int unsigned Low2 = Low1 + XBits1,
  localparam int unsigned Low3 = Low2 + XBits2,
  localparam int unsigned All  = Low3 + XBits3,
  localparam int unsigned Bits = Inputs == 1 ? Low1 : Inputs == 2 ? Low2 : Inputs == 3 ? Low3 : All
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic [Inputs-1:0]     x_valid_i,
  output logic [Inputs-1:0]     x_ready_o,
  input  logic [Simd*Bits-1:0]  x_data_i,
  output logic                  y_valid_o,
  input  logic                  y_ready_i,
  output logic [Simd*YBits-1:0] y_data_o
);
  // ---- whose turn it is: the input's bit in turn_q, the word of its pixel in word_q --------------------------------
  localparam int unsigned Most01 = Words0 > Words1 ? Words0 : Words1;
  localparam int unsigned Most23 = Words2 > Words3 ? Words2 : Words3;
  localparam int unsigned Most = Most01 > Most23 ? Most01 : Most23;
  localparam int unsigned WBits = Most > 1 ? $clog2(Most) : 1;

  logic [3:0] turn_q;
  logic [WBits-1:0] word_q;
  logic last, step;
  assign last = (turn_q[0] && word_q == WBits'(Words0 - 1)) || (turn_q[1] && word_q == WBits'(Words1 - 1))
             || (turn_q[2] && word_q == WBits'(Words2 - 1)) || (turn_q[3] && word_q == WBits'(Words3 - 1));
  assign y_valid_o = |(x_valid_i & turn_q[Inputs-1:0]);
  assign x_ready_o = {Inputs{y_ready_i}} & turn_q[Inputs-1:0];
  assign step = y_valid_o && y_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      turn_q <= 4'd1;
      word_q <= '0;
    end else if (step) begin
      word_q <= last ? '0 : word_q + 1'b1;
      if (last) turn_q <= turn_q[Inputs-1] ? 4'd1 : {turn_q[2:0], 1'b0};
    end
  end

  // ---- elements ----------------------------------------------------------------------------------------------------
  // an input that is not there has no turn
  logic [Simd*All-1:0]        x;
  logic [3:0][Simd*YBits-1:0] part;
  assign x = (Simd * All)'(x_data_i);

  scaled #(
    .Pe(Simd), .Scale(Scale0), .XBits(XBits0), .XKind(YKind == 0 ? 1 : XKind0), .YBits(YBits)
  ) scaled0 (
    .x_i(x[0+:Simd*XBits0]), .y_o(part[0])
  );
  scaled #(
    .Pe(Simd), .Scale(Scale1), .XBits(XBits1), .XKind(YKind == 0 ? 1 : XKind1), .YBits(YBits)
  ) scaled1 (
    .x_i(x[Simd*Low1+:Simd*XBits1]), .y_o(part[1])
  );
  scaled #(
    .Pe(Simd), .Scale(Scale2), .XBits(XBits2), .XKind(YKind == 0 ? 1 : XKind2), .YBits(YBits)
  ) scaled2 (
    .x_i(x[Simd*Low2+:Simd*XBits2]), .y_o(part[2])
  );
  scaled #(
    .Pe(Simd), .Scale(Scale3), .XBits(XBits3), .XKind(YKind == 0 ? 1 : XKind3), .YBits(YBits)
  ) scaled3 (
    .x_i(x[Simd*Low3+:Simd*XBits3]), .y_o(part[3])
  );

  assign y_data_o = ({Simd*YBits{turn_q[0]}} & part[0]) | ({Simd*YBits{turn_q[1]}} & part[1])
                  | ({Simd*YBits{turn_q[2]}} & part[2]) | ({Simd*YBits{turn_q[3]}} & part[3]);
endmodule
