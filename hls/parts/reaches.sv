// reaches - whether a number is at least a constant; plain logic, so that a constant limit costs a few LUTs at most.
//
//   y_o = x_i >= Limit        no latency; both two's complement

module reaches #(
  parameter int unsigned Bits = 4,
  parameter logic [Bits-1:0] Limit = '0
) (
  input  logic [Bits-1:0] x_i,
  output logic            y_o
);
  always_comb begin
    y_o = 1'b1;
    for (int unsigned i = 0; i < Bits - 1; i++) y_o = (x_i[i] && !Limit[i]) || ((x_i[i] == Limit[i]) && y_o);
    y_o = (!x_i[Bits-1] && Limit[Bits-1]) || ((x_i[Bits-1] == Limit[Bits-1]) && y_o);
  end
endmodule
