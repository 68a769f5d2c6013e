// concat: each pixel is Words0 words of x0, then Words1 of x1, each taken in the cycle it is given
module t #(parameter int Words0 = 2, Words1 = 1) (input logic clk, rst_n, input logic [1:0] xv, input logic yr, input logic [7:0] x);
  logic [1:0] xr, holds, put;
  logic yv, stalled;
  logic [3:0] y, y_before, place;
  logic [7:0] x_before;
  logic [3:0] idle;
  concat #(
    .Inputs(2), .Simd(1), .YBits(4), .YKind(2), .Words0(Words0), .Scale0(1), .XBits0(4), .XKind0(2),
    .Words1(Words1), .Scale1(1), .XBits1(4), .XKind1(2)
  ) dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv), .x_ready_o(xr), .x_data_i(x), .y_valid_o(yv), .y_ready_i(yr), .y_data_o(y)
  );
  start s (.clk(clk), .rst_n(rst_n));
  assign put = xv & xr;
  always_comb begin
    if (holds[0]) assume (xv[0] && x[3:0] == x_before[3:0]);
    if (holds[1]) assume (xv[1] && x[7:4] == x_before[7:4]);
  end
  always @(posedge clk) begin
    x_before <= x;
    y_before <= y;
    if (!rst_n) begin
      place <= 0;
      holds <= 0;
      stalled <= 0;
      idle  <= 0;
    end else begin
      holds   <= xv & ~xr;
      stalled <= yv && !yr;
      if (yv && yr) begin
        place <= place == Words0 + Words1 - 1 ? 0 : place + 1;
        assert (put == (place < Words0 ? 2'b01 : 2'b10));
        assert (y == (place < Words0 ? x[3:0] : x[7:4]));
      end else assert (put == 0);
      if (stalled) assert (yv && y == y_before);
      idle <= &xv && yr && put == 0 ? idle + 1 : 0;
      assert (idle < 2);
    end
  end
endmodule
