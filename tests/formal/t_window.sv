// window: word `at` of the first two images' output is the input word of its tap, or zero where the tap lies beyond the edge;
// no word too many, and the last image comes out whole though nothing follows it
module t #(
  parameter int Height = 2, Width = 3, KernelH = 2, KernelW = 2, Pad = 1, Depthwise = 0, Channels = 1, Depth = 8, Idle = 24
) (
  input logic clk, rst_n, xv, yr, x
);
  localparam int OutH = Height + 2 * Pad - KernelH + 1, OutW = Width + 2 * Pad - KernelW + 1;
  localparam int Per = OutH * OutW * KernelH * KernelW * Channels, Image = Height * Width * Channels;
  logic xr, yv, stalled, have, kept, beyond;
  logic [1:0] y, y_before;
  window #(
    .Height(Height), .Width(Width), .Channels(Channels), .Simd(1), .KernelH(KernelH), .KernelW(KernelW), .StrideH(1), .StrideW(1),
    .PadTop(Pad), .PadLeft(Pad), .PadBottom(Pad), .PadRight(Pad), .XBits(1), .XKind(1), .YBits(2), .Depthwise(Depthwise),
    .Depth(Depth), .Style(0), .Pad(0)
  ) dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv), .x_ready_o(xr), .x_data_i(x), .y_valid_o(yv), .y_ready_i(yr), .y_data_o(y)
  );
  start s (.clk(clk), .rst_n(rst_n));
  (* anyconst *) logic [9:0] at;
  int in_image, channel, i, j, row, col, source;
  always_comb begin
    in_image = int'(at) % Per;
    channel  = Depthwise != 0 ? in_image / (KernelH * KernelW) % Channels : in_image % Channels;
    j = Depthwise != 0 ? in_image % KernelW : in_image / Channels % KernelW;
    i = Depthwise != 0 ? in_image / KernelW % KernelH : in_image / Channels / KernelW % KernelH;
    row = in_image / (Channels * KernelH * KernelW) / OutW + i - Pad;
    col = in_image / (Channels * KernelH * KernelW) % OutW + j - Pad;
    beyond = row < 0 || row >= Height || col < 0 || col >= Width;
    source = int'(at) / Per * Image + (row * Width + col) * Channels + channel;
  end
  logic [9:0] entered, left;
  logic [7:0] idle;
  always_comb begin
    assume (at < 2 * Per);
    if (entered >= 2 * Image) assume (!xv);
  end
  always @(posedge clk) begin
    y_before <= y;
    if (!rst_n) begin
      {entered, left, idle, have, stalled} <= 0;
    end else begin
      if (xv && xr) entered <= entered + 1;
      if (yv && yr) left <= left + 1;
      if (xv && xr && !beyond && int'(entered) == source) begin
        kept <= x;
        have <= 1;
      end
      if (yv && yr) assert (left < 2 * Per);
      if (yv && yr && left == at) assert (beyond ? y == 0 : have && y == {1'b0, kept});
      stalled <= yv && !yr;
      if (stalled) assert (yv && y == y_before);
      idle <= (xv && xr) || (yv && yr) || !yr || !(xv || entered == 2 * Image) || left == 2 * Per ? 0 : idle + 1;
      assert (idle < Idle);
    end
  end
endmodule
