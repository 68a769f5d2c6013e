// equal_adder - a full adder that compares two of its three bits first, in one LUT of AMD's slices.
//
//   2 carry_o + sum_o = (a_i[0] == b_i[0]) + (a_i[1] == b_i[1]) + c_i
//
// With b_i 11 it adds the bits of a_i and c_i. There is such a module where POPCOUNT_OF_SLICES is defined.

`ifdef POPCOUNT_OF_SLICES
module equal_adder (
  input  logic [1:0] a_i,
  input  logic [1:0] b_i,
  input  logic       c_i,
  output logic       sum_o,
  output logic       carry_o
);
  // bit i of a half of INIT is an output for inputs i: the high half O6, as I5 is 1, the low half O5
  LUT6_2 #(
    .INIT(64'h96696996_f99f9009)
  ) both (
    .I0(a_i[0]), .I1(b_i[0]), .I2(a_i[1]), .I3(b_i[1]), .I4(c_i), .I5(1'b1), .O6(sum_o), .O5(carry_o)
  );
endmodule
`endif
