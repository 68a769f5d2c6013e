// valid_pipe - a flag, Cycles cycles of en_i later; false after reset.

module valid_pipe #(
  parameter int unsigned Cycles = 1
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic en_i,
  input  logic valid_i,
  output logic valid_o
);
  logic [Cycles-1:0] stage_q;
  assign valid_o = stage_q[Cycles-1];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) stage_q <= '0;
    else if (en_i) stage_q <= Cycles'({stage_q, valid_i});
  end
endmodule
