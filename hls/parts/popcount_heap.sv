// popcount_heap - how many of N bits of a and b are equal, in LUTs of two outputs and carry chains of AMD's slices.
//
//   count_o = sum of a_i XNOR b_i, `Cuts` cycles of en_i later
//
// Compared 1: four comparisons are added in two LUTs, the second of which adds the sum of the first: they leave one bit
// of weight 1 and two of weight 2, and registers stand behind them. Compared 0: the bits are counted as they are.
// From there on heap_level counts bits by sevens. About 0.9 LUTs a bit with comparisons, 0.5 without.
// There is such a module where POPCOUNT_OF_SLICES is defined.

`ifdef POPCOUNT_OF_SLICES
module popcount_heap #(
  parameter int unsigned N = 8,
  parameter int unsigned Compared = 1,
  parameter int unsigned Cuts = 1,  // at least 1 with Compared
  localparam int unsigned Bits = $clog2(N + 1)
) (
  input  logic            clk_i,
  input  logic            en_i,
  input  logic [N-1:0]    a_i,
  input  logic [N-1:0]    b_i,
  output logic [Bits-1:0] count_o
);
  if (Compared == 0) begin : gen_plain
    heap_level #(
      .Bits(Bits), .N(N), .Heights((16*Bits)'(N)), .Cuts(Cuts)
    ) levels (
      .clk_i(clk_i), .en_i(en_i), .bits_i(~(a_i ^ b_i)), .sum_o(count_o)
    );
  end else begin : gen_compared
    localparam int unsigned Ones = (N + 3) / 4;
    localparam int unsigned Twos = 2 * (N / 4) + (N % 4 > 1 ? 1 : 0);
    logic [Ones-1:0]      ones;
    logic [Twos-1:0]      twos;
    logic [Ones+Twos-1:0] heap;

    for (genvar g = 0; g < Ones; g++) begin : gen_group
      localparam int unsigned Here = N - 4 * g;
      if (Here == 1) begin : gen_one
        assign ones[g] = ~(a_i[4*g] ^ b_i[4*g]);
      end else if (Here == 2) begin : gen_two
        equal_adder first (
          .a_i(a_i[4*g+:2]), .b_i(b_i[4*g+:2]), .c_i(1'b0), .sum_o(ones[g]), .carry_o(twos[2*g])
        );
      end else if (Here == 3) begin : gen_three
        equal_adder first (
          .a_i(a_i[4*g+:2]), .b_i(b_i[4*g+:2]), .c_i(~(a_i[4*g+2] ^ b_i[4*g+2])), .sum_o(ones[g]), .carry_o(twos[2*g])
        );
      end else begin : gen_four
        logic sum;
        equal_adder first (
          .a_i(a_i[4*g+:2]), .b_i(b_i[4*g+:2]), .c_i(1'b0), .sum_o(sum), .carry_o(twos[2*g])
        );
        equal_adder second (
          .a_i(a_i[4*g+2+:2]), .b_i(b_i[4*g+2+:2]), .c_i(sum), .sum_o(ones[g]), .carry_o(twos[2*g+1])
        );
      end
    end
    delay #(
      .Bits(Ones + Twos), .Cycles(1)
    ) heap_level_0 (
      .clk_i(clk_i), .en_i(en_i), .d_i({twos, ones}), .q_o(heap)
    );
    heap_level #(
      .Bits(Bits), .N(Ones + Twos), .Heights((16*Bits)'((Twos << 16) + Ones)), .Cuts(Cuts - 1)
    ) levels (
      .clk_i(clk_i), .en_i(en_i), .bits_i(heap), .sum_o(count_o)
    );
  end
endmodule
`endif
