// adder_tree - the sum of N signed numbers, through a pipelined tree of adders.
//
//   sum_o = sum of terms_i, `Latency` cycles of en_i later
//
// A node of height H adds up to 2^H terms. Registers stand above every second height (2, 4, 6 ..), the root's own
// output excepted. Latency = (H - 1) / 2 rounded down, 0 for up to 4 terms.

module adder_tree #(
  parameter int unsigned N = 4,
  parameter int unsigned Bits = 8,              // of one term
  parameter int unsigned Height = $clog2(N),    // of the node; at least what N needs
  localparam int unsigned SumBits = Bits + $clog2(N),
  localparam int unsigned Latency = Height > 0 ? (Height - 1) / 2 : 0
) (
  input  logic                      clk_i,
  input  logic                      en_i,
  input  logic [N-1:0][Bits-1:0]    terms_i,
  output logic signed [SumBits-1:0] sum_o
);
  if (N == 1) begin : gen_term
    delay #(
      .Bits(Bits), .Cycles(Latency)
    ) level (
      .clk_i(clk_i), .en_i(en_i), .d_i(terms_i[0]), .q_o(sum_o)
    );
  end else begin : gen_node
    localparam int unsigned Half = N / 2;
    localparam int unsigned Rest = N - Half;
    localparam int unsigned LeftBits  = Bits + $clog2(Rest);
    localparam int unsigned RightBits = Bits + $clog2(Half);
    localparam int unsigned Below = Height > 1 ? (Height - 2) / 2 : 0;  // latency of the children
    localparam int unsigned Cut   = Latency - Below;

    logic [LeftBits-1:0]  left, left_q;
    logic [RightBits-1:0] right, right_q;

    adder_tree #(
      .N(Rest), .Bits(Bits), .Height(Height - 1)
    ) left_half (
      .clk_i(clk_i), .en_i(en_i), .terms_i(terms_i[Rest-1:0]), .sum_o(left)
    );
    adder_tree #(
      .N(Half), .Bits(Bits), .Height(Height - 1)
    ) right_half (
      .clk_i(clk_i), .en_i(en_i), .terms_i(terms_i[N-1:Rest]), .sum_o(right)
    );
    delay #(
      .Bits(LeftBits), .Cycles(Cut)
    ) left_level (
      .clk_i(clk_i), .en_i(en_i), .d_i(left), .q_o(left_q)
    );
    delay #(
      .Bits(RightBits), .Cycles(Cut)
    ) right_level (
      .clk_i(clk_i), .en_i(en_i), .d_i(right), .q_o(right_q)
    );
`ifdef YOSYS
    // Yosys would merge adders with no register between them into one sum of many terms, which it builds from full
    // adders in LUTs, two a bit, beside carry chains left unused. It merges no adder whose sum a kept wire uses too; its
    // lowest bit is enough, and the others stay free to be trimmed.
    if (Cut == 0) begin : gen_apart
      (* keep *) logic [1:0] used;
      assign used = {Rest > 1 && left_q[0], Half > 1 && right_q[0]};
    end
`endif
    assign sum_o = SumBits'($signed(left_q)) + SumBits'($signed(right_q));
  end
endmodule
