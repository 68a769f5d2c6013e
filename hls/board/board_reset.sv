// board_reset - holds the reset for 16 clocks after the clock is steady, and again whenever it is not.

module board_reset (
  input  logic clk_i,
  input  logic locked_i,
  output logic rst_no
);
  logic [1:0] locked_q = '0;
  logic [4:0] count_q  = '0;
  always_ff @(posedge clk_i) begin
    locked_q <= {locked_q[0], locked_i};
    if (!locked_q[1]) count_q <= '0;
    else if (!count_q[4]) count_q <= count_q + 1'b1;
  end
  assign rst_no = count_q[4];
endmodule
