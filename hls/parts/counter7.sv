// counter7 - how many of seven bits are 1, in two LUTs and two places of a carry chain of AMD's slices.
//
// `Counters` of them side by side, so that their chains can share cells: counter c has bits x_i[7c +: 7] and
// count_o[3c +: 3]. A place of the chain has the sum s ^ carry, and hands on s ? carry : d. Five bits x[4:0] are p + 2 q,
// p their parity and q 0, 1 or 2.
//   place 0 adds p, x[5] and x[6], which enters the chain as its carry: s = p ^ x[5], and d = p, which is x[5] where s is 0
//   place 1 adds q and the carry: s = (q == 1) and d = (q == 2), two functions of the same five inputs
// d of place 0 comes from the LUT, since the slice's other input for it, AX, is that of the chain's carry.
// There is such a module where POPCOUNT_OF_SLICES is defined.

`ifdef POPCOUNT_OF_SLICES
module counter7 #(
  parameter int unsigned Counters = 1
) (
  input  logic [7*Counters-1:0] x_i,
  output logic [3*Counters-1:0] count_o
);
  logic [Counters-1:0]   first;
  logic [2*Counters-1:0] s, d, sum;
  // verilator lint_off UNUSEDSIGNAL
  logic [2*Counters-1:0] carry;  // of two, the upper one leaves
  // verilator lint_on UNUSEDSIGNAL

  for (genvar c = 0; c < Counters; c++) begin : gen_counter
    logic [6:0] x;
    assign x = x_i[7*c+:7];
    // bit i of a half of INIT is an output for inputs i: the high half O6 where I5 is 1, the low half O5, and O6 where
    // I5 is 0
    LUT6_2 #(
      .INIT(64'h69969669_96696996)
    ) place_0 (
      .I0(x[0]), .I1(x[1]), .I2(x[2]), .I3(x[3]), .I4(x[4]), .I5(x[5]), .O6(s[2*c]), .O5(d[2*c])
    );
    LUT6_2 #(
      .INIT(64'h177e7ee8_e8808000)
    ) place_1 (
      .I0(x[0]), .I1(x[1]), .I2(x[2]), .I3(x[3]), .I4(x[4]), .I5(1'b1), .O6(s[2*c+1]), .O5(d[2*c+1])
    );
    assign first[c]        = x[6];
    assign count_o[3*c+:3] = {carry[2*c+1], sum[2*c+:2]};
  end
  carry_chain #(
    .Places(2), .Chains(Counters)
  ) chains (
    .carry_i(first), .s_i(s), .d_i(d), .sum_o(sum), .carry_o(carry)
  );
endmodule
`endif
