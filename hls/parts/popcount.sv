// popcount - how many of N bits of a and b are equal; with b_i all ones, how many of N bits are 1.
//
//   count_o = sum of a_i XNOR b_i, `Latency` cycles of en_i later
//
// Fused: 1 where a register shall stand behind the comparison, because a or b come straight from a small table.
// Compared: 0 where b_i is all ones, or one side a small table, so that no comparison has LUTs of its own.
// A family has its own way to count, which its define chooses; all have the same latency, and a test holds them equal:
//   POPCOUNT_BY_WORD    simulators, which count words faster than bits
//   POPCOUNT_OF_SLICES  AMD: LUTs of two outputs and carry chains, instantiated (popcount_heap)
//   neither             any family: full adders that the tool maps (popcount_tree)

module popcount #(
  parameter int unsigned N = 8,
  parameter int unsigned Fused = 0,
  parameter int unsigned Compared = 1,
  localparam int unsigned First   = 3 + Fused,
  localparam int unsigned Height  = Fused == 0 ? $clog2(N + 1) : 3 + $clog2((N + 7) / 7),
  localparam int unsigned Latency = Fused + (Height >= First ? 1 : 0) + (Height > First + 1 ? Height - First - 1 : 0),
  localparam int unsigned Bits    = $clog2(N + 1)
) (
  input  logic            clk_i,
  input  logic            en_i,
  input  logic [N-1:0]    a_i,
  input  logic [N-1:0]    b_i,
  output logic [Bits-1:0] count_o
);
  logic [N-1:0] equal;
  assign equal = ~(a_i ^ b_i);

`ifdef POPCOUNT_BY_WORD
  localparam bit Heap = 1'b0;
  logic [Bits-1:0] word;
  assign word = Bits'($countones(equal));
  delay #(
    .Bits(Bits), .Cycles(Latency)
  ) levels (
    .clk_i(clk_i), .en_i(en_i), .d_i(word), .q_o(count_o)
  );
`else
`ifdef POPCOUNT_OF_SLICES
  localparam bit Heap = N >= 8;  // of fewer bits the tool makes fewer LUTs
  if (Heap) begin : gen_heap
    popcount_heap #(
      .N(N), .Compared(Compared), .Cuts(Latency)
    ) heap (
      .clk_i(clk_i), .en_i(en_i), .a_i(a_i), .b_i(b_i), .count_o(count_o)
    );
  end
`else
  localparam bit Heap = 1'b0;
`endif
  if (!Heap) begin : gen_tree
    logic [N-1:0] equal_q;
    delay #(
      .Bits(N), .Cycles(Fused)
    ) equal_level (
      .clk_i(clk_i), .en_i(en_i), .d_i(equal), .q_o(equal_q)
    );
    popcount_tree #(
      .N(N), .First(First)
    ) tree (
      .clk_i(clk_i), .en_i(en_i), .bits_i(equal_q), .count_o(count_o)
    );
  end
`endif
  logic unused;
  assign unused = &{Heap, equal} ^ (Compared + Latency != 0);
endmodule
