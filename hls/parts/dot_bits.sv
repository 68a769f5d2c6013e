// dot_bits - the inner product of one word of inputs and one word of weights that are -1, 0 or +1.
//
//   sum_o = sum_c w[c] * x[c], popcount's latency and one cycle of en_i later; without zeros the count of equal bits
//
// An element is two bits: plus (it is +1) and counts (it is not 0). Masks: 0 neither side has zeros, 1 x has, 2 w has.
//   0    popcount(x XNOR w)
//   1    2 * popcount(counts AND (x XNOR w)) - popcount(counts), the last from shared_i: it is the same for every row
//   2    popcount(equal) - popcount(different)
// Fused: 1 puts a register behind the comparison, where weights come straight from a small table: on LUT6 families
// table and comparison are then one LUT, half of one where two rows have the same address. Compared: 0 where w_plus_i is
// constant or a table, so that no comparison has LUTs of its own.

module dot_bits #(
  parameter int unsigned Simd  = 8,
  parameter int unsigned Masks = 0,
  parameter int unsigned Fused = 0,
  parameter int unsigned Compared = 1,
  localparam int unsigned CountBits = $clog2(Simd + 1),
  localparam int unsigned SumBits   = CountBits + (Masks == 0 ? 0 : 1)  // unsigned only without masks
) (
  input  logic                 clk_i,
  input  logic                 en_i,
  input  logic [Simd-1:0]      x_plus_i,
  input  logic [Simd-1:0]      x_counts_i,
  input  logic [Simd-1:0]      w_plus_i,
  input  logic [Simd-1:0]      w_counts_i,
  input  logic [CountBits-1:0] shared_i,  // in the cycle of the count here
  output logic [SumBits-1:0]   sum_o
);
  logic [Simd-1:0]      counts, equal, same;
  logic [CountBits-1:0] equals;
  logic [SumBits-1:0]   sum_d;

  assign counts  = Masks == 0 ? '1 : Masks == 1 ? x_counts_i : x_counts_i & w_counts_i;
  // what is compared within popcount: without masks x with w itself, else what is equal and counts with ones
  assign equal = ~(x_plus_i ^ w_plus_i) & counts;
  assign same  = Masks == 0 ? x_plus_i : equal;

  popcount #(
    .N(Simd), .Fused(Fused), .Compared(Masks == 0 ? Compared : 0)
  ) count_equal (
    .clk_i(clk_i), .en_i(en_i), .a_i(same), .b_i(Masks == 0 ? w_plus_i : '1), .count_o(equals)
  );
  always_ff @(posedge clk_i) if (en_i) sum_o <= sum_d;

  logic unused;
  if (Masks == 0) begin : gen_count
    assign sum_d  = equals;
    assign unused = &{shared_i, x_counts_i, w_counts_i, equal};
  end else if (Masks == 1) begin : gen_shared
    assign sum_d  = {equals, 1'b0} - SumBits'(shared_i);
    assign unused = &w_counts_i;
  end else begin : gen_both
    logic [CountBits-1:0] others;
    popcount #(
      .N(Simd), .Fused(Fused), .Compared(0)
    ) count_other (
      .clk_i(clk_i), .en_i(en_i), .a_i(counts & ~equal), .b_i('1), .count_o(others)
    );
    assign sum_d  = SumBits'(equals) - SumBits'(others);
    assign unused = &shared_i;
  end
endmodule
