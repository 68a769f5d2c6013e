// add: word by word the sum of two streams that come at times of their own
module t #(parameter int Scale0 = 2, Scale1 = -1) (input logic clk, rst_n, input logic [1:0] xv, input logic yr, input logic [5:0] x);
  logic [1:0] xr, holds;
  logic yv, stalled;
  logic [5:0] y, y_before, x_before;
  add #(.Inputs(2), .Pe(1), .YBits(6), .Scale0(Scale0), .XBits0(3), .XKind0(2), .Scale1(Scale1), .XBits1(3), .XKind1(2)) dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv), .x_ready_o(xr), .x_data_i(x), .y_valid_o(yv), .y_ready_i(yr), .y_data_o(y)
  );
  start s (.clk(clk), .rst_n(rst_n));
  (* anyconst *) logic [2:0] at;
  logic [2:0] in0, in1, out;
  logic [3:0] idle;
  logic follow0, follow1;
  logic signed [2:0] a, b;
  logic signed [5:0] want;
  assign want = 6'(Scale0 * a + Scale1 * b);
  always_comb begin
    if (holds[0]) assume (xv[0] && x[2:0] == x_before[2:0]);
    if (holds[1]) assume (xv[1] && x[5:3] == x_before[5:3]);
  end
  logic put0, put1, get;
  assign put0 = xv[0] && xr[0];
  assign put1 = xv[1] && xr[1];
  assign get  = yv && yr;
  always @(posedge clk) begin
    x_before <= x;
    y_before <= y;
    if (!rst_n) begin
      {in0, in1, out} <= 0;
      {follow0, follow1, stalled} <= 0;
      holds <= 0;
      idle  <= 0;
    end else begin
      holds   <= xv & ~xr;
      stalled <= yv && !yr;
      if (put0) in0 <= in0 + 1;
      if (put1) in1 <= in1 + 1;
      if (get) out <= out + 1;
      if (put0 && in0 == at) begin
        a <= x[2:0];
        follow0 <= 1;
      end else if (get && out == at) follow0 <= 0;
      if (put1 && in1 == at) begin
        b <= x[5:3];
        follow1 <= 1;
      end else if (get && out == at) follow1 <= 0;
      if (get && out == at) assert (follow0 && follow1 && $signed(y) == want);
      assert (in0 == in1);
      if (stalled) assert (yv && y == y_before);
      idle <= &xv && yr && !(put0 && put1) ? idle + 1 : 0;
      assert (idle < 2);
    end
  end
endmodule
