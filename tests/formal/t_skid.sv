// skid: order, and no combinational path into ready
module t #(parameter int Bits = 2) (input logic clk, rst_n, xv, xv2, yr, yr2, input logic [Bits-1:0] x, x2);
  logic xr, xr2, yv, yv2;
  logic [Bits-1:0] y, y2;
  skid #(.Bits(Bits)) dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv), .x_ready_o(xr), .x_data_i(x), .y_valid_o(yv), .y_ready_i(yr), .y_data_o(y)
  );
  start s (.clk(clk), .rst_n(rst_n));
  order #(.Bits(Bits), .Room(1), .Round(4), .Idle(1)) o (.*);
  // a second one that has seen the same until now, and sees other inputs in this cycle
  logic same = 1;
  skid #(.Bits(Bits)) twin (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv2), .x_ready_o(xr2), .x_data_i(x2), .y_valid_o(yv2), .y_ready_i(yr2), .y_data_o(y2)
  );
  always @(posedge clk) same <= same && (!rst_n || (xv == xv2 && yr == yr2 && x == x2));
  always @(posedge clk) if (rst_n && same) assert (xr == xr2);
endmodule
