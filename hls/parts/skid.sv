// skid - a buffer of one word that cuts the path from y_ready_i back to x_ready_o, and no other.
//
// A word that comes while the next unit stands is kept; until it is gone, no other one is taken. Latency: none.

module skid #(
  parameter int unsigned Bits = 8
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            x_valid_i,
  output logic            x_ready_o,  // a register
  input  logic [Bits-1:0] x_data_i,
  output logic            y_valid_o,
  input  logic            y_ready_i,
  output logic [Bits-1:0] y_data_o
);
  logic [Bits-1:0] kept_q;
  logic            room_q;  // no word is kept

  assign x_ready_o = room_q;
  assign y_valid_o = x_valid_i || !room_q;
  assign y_data_o  = room_q ? x_data_i : kept_q;

  always_ff @(posedge clk_i) if (room_q) kept_q <= x_data_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) room_q <= 1'b1;
    else room_q <= y_ready_i || (room_q && !x_valid_i);
  end
endmodule
