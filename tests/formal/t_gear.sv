// gear: byte `at` of every packet comes out of its place; bytes that the input lacks read as zero, bytes left over are dropped,
// and no packet takes a word of the next, however its input pauses. y_last comes with the last word.
module t #(parameter int In = 2, Out = 3, InWords = 3, OutWords = 2, Idle = 8) (
  input logic clk, rst_n, xv, yr, input logic [8*In-1:0] x
);
  localparam int InBytes = In * InWords, OutBytes = Out * OutWords, B = 5;
  logic xr, yv, last;
  logic [8*Out-1:0] y, y_before;
  gear #(.In(In), .Out(Out), .InWords(InWords), .OutWords(OutWords)) dut (
    .clk_i(clk), .rst_ni(rst_n), .x_valid_i(xv), .x_ready_o(xr), .x_data_i(x),
    .y_valid_o(yv), .y_ready_i(yr), .y_data_o(y), .y_last_o(last)
  );
  start s (.clk(clk), .rst_n(rst_n));
  (* anyconst *) logic [B-1:0] at;
  (* anyconst *) logic [2:0] bit_of;  // one bit of the byte is followed
  logic [B-1:0] entered, left;
  logic [1:0]   waiting;              // followed bits that entered and did not leave: those of two packets at most
  logic [1:0]   kept;
  logic         put, get, in_hit, out_hit, stalled, last_before;
  logic [3:0]   idle;
  logic         in_bit, out_bit;
  assign put = xv && xr;
  assign get = yv && yr;
  assign in_hit  = put && at >= entered && at < entered + In;
  assign out_hit = get && at >= left && at < left + Out;
  assign in_bit  = x[8*(at - entered) + bit_of];
  assign out_bit = y[8*(at - left) + bit_of];
  always_comb assume (at < OutBytes);
  always @(posedge clk) begin
    if (!rst_n) begin
      entered <= 0;
      left    <= 0;
      waiting <= 0;
      idle    <= 0;
      stalled <= 0;
    end else begin
      if (put) entered <= entered + In >= InBytes ? 0 : entered + In;
      if (get) left <= left + Out >= OutBytes ? 0 : left + Out;
      waiting <= waiting + (in_hit ? 1 : 0) - (out_hit && at < InBytes ? 1 : 0);
      if (in_hit) kept <= {kept[0], in_bit};
      idle <= put || get || !xv || !yr ? 0 : idle + 1;
      stalled <= yv && !yr;
      y_before <= y;
      last_before <= last;
      assert (waiting <= 2);
      if (out_hit && at >= InBytes) assert (!out_bit);
      if (out_hit && at < InBytes) begin
        assert (waiting != 0);
        assert (out_bit == (waiting == 2 ? kept[1] : kept[0]));
      end
      if (get) assert (last == (left + Out >= OutBytes));
      if (stalled) assert (yv && y == y_before && last == last_before);
      assert (idle < Idle);
    end
  end
endmodule
