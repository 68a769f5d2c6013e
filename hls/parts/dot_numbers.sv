// dot_numbers - the inner product of one word of inputs and one word of weights of which one side has several bits.
//
//   sum_o = sum_c w[c] * x[c], adder_tree's latency + 1 cycles of en_i later
//
// With bipolar weights it is 2 * sum(x where w is +1) - sum(x), the last from shared_i: it is the same for every row.
// Kinds: 0 bipolar, 1 unsigned, 2 two's complement, 3 ternary. Mult: what products are made of, see product.sv.

module dot_numbers #(
  parameter int unsigned Simd  = 8,
  parameter int unsigned XBits = 8,
  parameter int unsigned XKind = 1,
  parameter int unsigned WBits = 1,
  parameter int unsigned WKind = 0,
  parameter int unsigned Mult  = 0,
  localparam int unsigned SharedBits = XBits + 1 + $clog2(Simd),         // signed
  localparam int unsigned SumBits    = XBits + WBits + 1 + $clog2(Simd)  // signed
) (
  input  logic                  clk_i,
  input  logic                  en_i,
  input  logic [Simd*XBits-1:0] x_i,
  input  logic [Simd*WBits-1:0] w_i,
  input  logic [SharedBits-1:0] shared_i,  // as late as the tree here
  output logic [SumBits-1:0]    sum_o
);
  localparam int unsigned TermBits = WKind == 0 ? XBits + 1 : XBits + WBits + 1;

  logic [Simd-1:0][TermBits-1:0]      terms;
  logic [TermBits+$clog2(Simd)-1:0]   tree;
  logic [SumBits-1:0]                 sum_d;

  for (genvar c = 0; c < Simd; c++) begin : gen_column
    logic [XBits-1:0] x;
    logic [WBits-1:0] w;
    assign x = x_i[c*XBits+:XBits];
    assign w = w_i[c*WBits+:WBits];
    if (WKind == 0 && XKind == 1) begin : gen_masked
      assign terms[c] = TermBits'(x & {XBits{w[0]}});
    end else if (WKind == 0) begin : gen_signed_masked
      assign terms[c] = TermBits'($signed(x & {XBits{w[0]}}));
    end else begin : gen_product
      localparam bit XSign = XKind == 0 || XKind == 3;  // x is the factor of -1, 0 or +1
      localparam int unsigned VBits = XKind == 1 ? XBits + 1 : XKind == 0 ? 2 : XBits;  // as two's complement
      localparam int unsigned UBits = WKind == 1 ? WBits + 1 : WBits;
      logic signed [VBits-1:0] x_value;
      logic signed [UBits-1:0] w_value;
      logic [TermBits-1:0] term;
      if (XKind == 0) begin : gen_x
        assign x_value = {!x[0], 1'b1};
      end else begin : gen_x
        assign x_value = VBits'(x);
      end
      assign w_value = UBits'(w);
      if (XSign) begin : gen_by_x
        product #(
          .XBits(UBits), .WBits(VBits), .YBits(TermBits), .Sign(1), .Mult(Mult)
        ) times (
          .x_i(w_value), .w_i(x_value), .y_o(term)
        );
      end else begin : gen_by_w
        product #(
          .XBits(VBits), .WBits(UBits), .YBits(TermBits), .Sign(WKind == 3 ? 1 : 0), .Mult(Mult)
        ) times (
          .x_i(x_value), .w_i(w_value), .y_o(term)
        );
      end
      assign terms[c] = term;
    end
  end

  adder_tree #(
    .N(Simd), .Bits(TermBits)
  ) add (
    .clk_i(clk_i), .en_i(en_i), .terms_i(terms), .sum_o(tree)
  );
  always_ff @(posedge clk_i) if (en_i) sum_o <= sum_d;

  if (WKind == 0) begin : gen_shared
    assign sum_d = {tree, 1'b0} - SumBits'($signed(shared_i));
  end else begin : gen_plain
    assign sum_d = tree;
    logic unused;
    assign unused = &shared_i;
  end
endmodule
