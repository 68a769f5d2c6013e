module t #(parameter int Words = 5) (input logic clk, rst_n, move);
  logic last;
  logic [7:0] n;
  axis_last #(.Words(Words)) dut (.clk_i(clk), .rst_ni(rst_n), .move_i(move), .last_o(last));
  start s (.clk(clk), .rst_n(rst_n));
  always @(posedge clk) begin
    if (!rst_n) n <= 0;
    else begin
      if (move) n <= n == Words - 1 ? 0 : n + 1;
      assert (last == (n == Words - 1));
    end
  end
endmodule
