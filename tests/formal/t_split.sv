// split: each copy takes each word once, and the next word comes when all have it
module t #(parameter int Copies = 2, Bits = 2) (input logic clk, rst_n, xv, input logic [Copies-1:0] yr, input logic [Bits-1:0] x);
  logic xr;
  logic [Copies-1:0] yv, has, stalled;
  logic [Copies*Bits-1:0] y;
  logic [Bits-1:0] x_before;
  logic holds;
  split #(.Bits(Bits), .Copies(Copies)) dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv), .x_ready_o(xr), .x_data_i(x), .y_valid_o(yv), .y_ready_i(yr), .y_data_o(y)
  );
  start s (.clk(clk), .rst_n(rst_n));
  always_comb if (holds) assume (xv && x == x_before);
  always @(posedge clk) begin
    x_before <= x;
    if (!rst_n) begin
      has <= 0;
      holds <= 0;
      stalled <= 0;
    end else begin
      has     <= xv && xr ? 0 : has | (yv & yr);
      holds   <= xv && !xr;
      stalled <= yv & ~yr;
      assert ((yv & has) == 0);
      assert (xv || yv == 0);
      for (int k = 0; k < Copies; k++) if (yv[k]) assert (y[k*Bits +: Bits] == x);
      if (xv && xr) assert (&(has | (yv & yr)));
      if (xv && &(has | yr)) assert (xr);  // progress, in the same cycle
      assert ((stalled & ~yv) == 0);
    end
  end
endmodule
