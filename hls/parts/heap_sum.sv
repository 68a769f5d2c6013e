// heap_sum - the sum of three numbers, one LUT of AMD's slices and one place of a carry chain for each bit.
//
//   sum_o = x_i[0] + x_i[1] + x_i[2], `Bits` bits of each
//
// A LUT makes the parity p and the majority m of a column's three bits. Column k adds p[k], m[k-1] and the carry: the
// place of the chain has the sum s ^ carry, and hands on s ? carry : d, with s = p[k] ^ m[k-1] and d = m[k-1].
// There is such a module where POPCOUNT_OF_SLICES is defined.

`ifdef POPCOUNT_OF_SLICES
module heap_sum #(
  parameter int unsigned Bits = 3
) (
  input  logic [3*Bits-1:0] x_i,  // three numbers, number 0 low
  output logic [Bits-1:0]   sum_o
);
  // verilator lint_off UNUSEDSIGNAL
  logic [Bits:0]   m;  // the last one is beyond the number, as is the last carry
  logic [Bits-1:0] carry;
  // verilator lint_on UNUSEDSIGNAL
  logic [Bits-1:0] s;

  assign m[0] = 1'b0;
  for (genvar k = 0; k < Bits; k++) begin : gen_column
    // bit i of a half of INIT is an output for inputs i: the high half O6, as I5 is 1, the low half O5
    LUT6_2 #(
      .INIT(64'h69966996_e8e8e8e8)
    ) both (
      .I0(x_i[k]), .I1(x_i[Bits+k]), .I2(x_i[2*Bits+k]), .I3(m[k]), .I4(1'b0), .I5(1'b1), .O6(s[k]), .O5(m[k+1])
    );
  end
  carry_chain #(
    .Places(Bits)
  ) chain (
    .carry_i(1'b0), .s_i(s), .d_i(m[Bits-1:0]), .sum_o(sum_o), .carry_o(carry)
  );
endmodule
`endif
