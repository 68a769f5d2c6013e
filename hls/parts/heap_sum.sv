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
  localparam int unsigned Chains = (Bits + 3) / 4;
  localparam int unsigned Places = 4 * Chains;
  // verilator lint_off UNUSEDSIGNAL
  logic [Places-1:0] sum;  // the chain's last places may be beyond the number
  logic [Places:0]   carry, m;
  // verilator lint_on UNUSEDSIGNAL
  logic [Places-1:0] s;

  assign carry[0] = 1'b0;
  assign m[0]     = 1'b0;
  for (genvar k = 0; k < Places; k++) begin : gen_column
    if (k < Bits) begin : gen_used
      // bit i of a half of INIT is an output for inputs i: the high half O6, as I5 is 1, the low half O5
      LUT6_2 #(
        .INIT(64'h69966996_e8e8e8e8)
      ) both (
        .I0(x_i[k]), .I1(x_i[Bits+k]), .I2(x_i[2*Bits+k]), .I3(m[k]), .I4(1'b0), .I5(1'b1), .O6(s[k]), .O5(m[k+1])
      );
    end else begin : gen_free
      assign s[k]   = 1'b0;
      assign m[k+1] = 1'b0;
    end
  end
  for (genvar c = 0; c < Chains; c++) begin : gen_chain
    CARRY4 chain (
      .CI(carry[4*c]), .CYINIT(1'b0), .S(s[4*c+:4]), .DI(m[4*c+:4]), .O(sum[4*c+:4]), .CO(carry[4*c+1+:4])
    );
  end
  assign sum_o = sum[Bits-1:0];
endmodule
`endif
