module t #(parameter int In = 2, Out = 3, Bits = 1, Room = 4, Round = 24) (input logic clk, rst_n, xv, yr, input logic [In*Bits-1:0] x);
  logic xr, yv;
  logic [Out*Bits-1:0] y;
  width #(.Bits(Bits), .ParIn(In), .ParOut(Out)) dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv), .x_ready_o(xr), .x_data_i(x), .y_valid_o(yv), .y_ready_i(yr), .y_data_o(y)
  );
  start s (.clk(clk), .rst_n(rst_n));
  order #(.Bits(Bits), .In(In), .Out(Out), .Room(Room), .Round(Round)) o (.*);
endmodule
