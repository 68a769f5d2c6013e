module t #(parameter int Depth = 2, Bits = 1, Round = 8) (input logic clk, rst_n, xv, yr, input logic [Bits-1:0] x);
  logic xr, yv;
  logic [Bits-1:0] y;
  fifo #(.Bits(Bits), .Depth(Depth)) dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv), .x_ready_o(xr), .x_data_i(x), .y_valid_o(yv), .y_ready_i(yr), .y_data_o(y)
  );
  start s (.clk(clk), .rst_n(rst_n));
  order #(.Bits(Bits), .Room(Depth), .Round(Round)) o (.*);
endmodule
