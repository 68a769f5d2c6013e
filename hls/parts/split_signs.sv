// split_signs - elements that are -1, 0 or +1 as two planes of bits; wires only.
//
//   plus_o[i]: element i is not negative; counts_o[i]: it is not 0      Bits 1: bipolar; 2: ternary, two's complement

module split_signs #(
  parameter int unsigned N    = 4,
  parameter int unsigned Bits = 2
) (
  input  logic [N*Bits-1:0] x_i,
  output logic [N-1:0]      plus_o,
  output logic [N-1:0]      counts_o
);
  if (Bits == 1) begin : gen_bipolar
    assign plus_o   = x_i;
    assign counts_o = '1;
  end else begin : gen_ternary
    for (genvar i = 0; i < N; i++) begin : gen_element
      assign plus_o[i]   = !x_i[i*Bits+1];
      assign counts_o[i] = x_i[i*Bits];
    end
  end
endmodule
