// dot_pair - the inner products of one word of numbers and two words of weights that are numbers, two products a DSP block.
//
//   sum_o[r] = sum_c w[r, c] * x[c], adder_tree's latency + 1 cycles of en_i later, as dot_numbers
//
// Kinds: 1 unsigned, 2 two's complement.

module dot_pair #(
  parameter int unsigned Simd  = 8,
  parameter int unsigned XBits = 8,
  parameter int unsigned XKind = 1,
  parameter int unsigned WBits = 8,
  parameter int unsigned WKind = 2,
  localparam int unsigned SumBits = XBits + WBits + 1 + $clog2(Simd)  // signed
) (
  input  logic                       clk_i,
  input  logic                       en_i,
  input  logic [Simd*XBits-1:0]      x_i,
  input  logic [1:0][Simd*WBits-1:0] w_i,
  output logic [1:0][SumBits-1:0]    sum_o
);
  localparam int unsigned TermBits = XBits + WBits + 1;
  localparam int unsigned Low      = XBits + WBits + (XKind == 1 && WKind == 1 ? 1 : 0);
  localparam int unsigned VBits    = XKind == 1 ? XBits + 1 : XBits;  // as two's complement
  localparam int unsigned UBits    = WKind == 1 ? WBits + 1 : WBits;

  logic [1:0][Simd-1:0][TermBits-1:0] terms;

  for (genvar c = 0; c < Simd; c++) begin : gen_column
    logic [2*UBits-1:0]    w;
    logic [2*TermBits-1:0] term;
    assign w = {UBits'(w_i[1][c*WBits+:WBits]), UBits'(w_i[0][c*WBits+:WBits])};
    product_pair #(
      .XBits(VBits), .WBits(UBits), .Low(Low), .YBits(TermBits)
    ) times (
      .x_i(VBits'(x_i[c*XBits+:XBits])), .w_i(w), .y_o(term)
    );
    assign terms[0][c] = term[TermBits-1:0];
    assign terms[1][c] = term[2*TermBits-1:TermBits];
  end

  for (genvar r = 0; r < 2; r++) begin : gen_row
    logic [SumBits-1:0] tree;
    adder_tree #(
      .N(Simd), .Bits(TermBits)
    ) add (
      .clk_i(clk_i), .en_i(en_i), .terms_i(terms[r]), .sum_o(tree)
    );
    always_ff @(posedge clk_i) if (en_i) sum_o[r] <= tree;
  end
endmodule
