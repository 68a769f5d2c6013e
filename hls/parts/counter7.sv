// counter7 - how many of seven bits are 1, in two LUTs and two places of a carry chain of AMD's slices.
//
// A place of the chain has the sum s ^ carry, and hands on s ? carry : d. Five bits x[4:0] are p + 2 q, p their parity
// and q 0, 1 or 2.
//   place 0 adds p, x[5] and x[6], which enters the chain as its carry: s = p ^ x[5], of six inputs, and d = x[5]
//   place 1 adds q and the carry: s = (q == 1) and d = (q == 2), two functions of the same five inputs
// There is such a module where POPCOUNT_OF_SLICES is defined.

`ifdef POPCOUNT_OF_SLICES
module counter7 (
  input  logic [6:0] x_i,
  output logic [2:0] count_o
);
  logic s0, s1, d1;
  // bit i of INIT is the output for inputs i; of LUT6_2 the high half is O6, as I5 is 1, and the low half O5
  LUT6 #(
    .INIT(64'h69969669_96696996)
  ) place_0 (
    .I0(x_i[0]), .I1(x_i[1]), .I2(x_i[2]), .I3(x_i[3]), .I4(x_i[4]), .I5(x_i[5]), .O(s0)
  );
  LUT6_2 #(
    .INIT(64'h177e7ee8_e8808000)
  ) place_1 (
    .I0(x_i[0]), .I1(x_i[1]), .I2(x_i[2]), .I3(x_i[3]), .I4(x_i[4]), .I5(1'b1), .O6(s1), .O5(d1)
  );
  // verilator lint_off UNUSEDSIGNAL
  logic [3:0] sum, carry;  // of four places, two are used
  // verilator lint_on UNUSEDSIGNAL
  CARRY4 chain (
    .CI(1'b0), .CYINIT(x_i[6]), .S({2'b00, s1, s0}), .DI({2'b00, d1, x_i[5]}), .O(sum), .CO(carry)
  );
  assign count_o = {carry[1], sum[1:0]};
endmodule
`endif
