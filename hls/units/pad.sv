// pad - zeros around an image and beside its channels.
//
//   y[p, q, c] = x[p - PadTop, q - PadLeft, c - Before] where that exists, else 0
//
// A word of y holds Pe channels; Pe divides Channels, Before and After. Or it holds all the channels of Pixels pixels, and
// a word of x as many: where no columns are padded, or of one. Then every row begins with a word of its own, and what lies
// in its last word beyond it means nothing. The zeros before an image wait for its first word.
// Timing: one cycle a word of y, no cycle from x to y.
module pad #(
  parameter int unsigned Height    = 4,
  parameter int unsigned Width     = 4,
  parameter int unsigned Channels  = 1,
  parameter int unsigned Pe        = 1,  // elements a word of y
  parameter int unsigned PadTop    = 1,
  parameter int unsigned PadLeft   = 1,
  parameter int unsigned PadBottom = 1,
  parameter int unsigned PadRight  = 1,
  parameter int unsigned Before    = 0,  // zeros before the channels of a pixel
  parameter int unsigned After     = 0,
  parameter int unsigned XBits     = 8,  // bits of an element of x
  parameter int unsigned XKind     = 2,  // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned YBits     = 8,  // bits of an element of y
  localparam int unsigned Total  = Channels + Before + After,
  localparam int unsigned Pixels = Pe / Total,  // whole ones in a word; 0 where words are parts of one
  localparam int unsigned XPe    = Pixels > 0 ? Pixels * Channels : Pe
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                x_valid_i,
  output logic                x_ready_o,
  input  logic [XPe*XBits-1:0] x_data_i,
  output logic                y_valid_o,
  input  logic                y_ready_i,
  output logic [Pe*YBits-1:0] y_data_o
);
  localparam int unsigned OutH = Height + PadTop + PadBottom;
  localparam int unsigned Across = Pixels > 1 ? (Width + Pixels - 1) / Pixels : Width;  // words of a row, by block
  localparam int unsigned OutW = Across + PadLeft + PadRight;
  localparam int unsigned Blocks = Pixels > 0 ? 1 : Total / Pe;
  localparam int unsigned First = Pixels > 0 ? 0 : Before / Pe;  // block of a pixel that comes from x, and how many do
  localparam int unsigned Count = Pixels > 0 ? 1 : Channels / Pe;

  if (Pixels == 0 ? Channels % Pe != 0 || Before % Pe != 0 || After % Pe != 0 : Pe % Total != 0) begin : gen_bad_pe
    $error("pad: Pe=%0d does not divide Channels=%0d, Before=%0d and After=%0d", Pe, Channels, Before, After);
  end
  if (Pixels > 1 && PadLeft + PadRight > 0) begin : gen_bad_pixels
    $error("pad: words of %0d pixels beside %0d and %0d of padding", Pixels, PadLeft, PadRight);
  end

  // Three counters, each with a flag that it is on the image: raised and lowered where the image begins and ends.
  localparam int unsigned BBits = Blocks > 1 ? $clog2(Blocks) : 1;
  localparam int unsigned PBits = OutH > 1 ? $clog2(OutH) : 1;
  localparam int unsigned QBits = OutW > 1 ? $clog2(OutW) : 1;
  logic [BBits-1:0] b_q, b_d;
  logic [PBits-1:0] p_q, p_d;
  logic [QBits-1:0] q_q, q_d;
  logic last_b, last_p, last_q;
  assign last_b = b_q == BBits'(Blocks - 1);
  assign last_p = p_q == PBits'(OutH - 1);
  assign last_q = q_q == QBits'(OutW - 1);
  assign b_d = last_b ? '0 : b_q + 1'b1;
  assign q_d = !last_b ? q_q : last_q ? '0 : q_q + 1'b1;
  assign p_d = !last_b || !last_q ? p_q : last_p ? '0 : p_q + 1'b1;

  logic on_b_q, on_p_q, on_q_q, started_q, on, step;
  assign on = on_b_q && on_p_q && on_q_q;
  assign y_valid_o = x_valid_i || (started_q && !on);
  assign x_ready_o = y_ready_i && on;
  assign step = y_valid_o && y_ready_i;

  // Whether counter value `at` lies in first .. first + count - 1, given that the value before it did `was`.
  function automatic logic passes(input int unsigned at, input int unsigned first, input int unsigned count, input logic was);
    passes = at == first || (was && at != 0 && at != first + count);
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {b_q, p_q, q_q} <= '0;
      started_q <= 1'b0;
      on_b_q <= First == 0;
      on_p_q <= PadTop == 0;
      on_q_q <= PadLeft == 0;
    end else if (step) begin
      b_q <= b_d;
      p_q <= p_d;
      q_q <= q_d;
      started_q <= !(last_b && last_p && last_q);
      on_b_q <= passes(32'(b_d), First, Count, on_b_q && !last_b);
      if (last_b) on_q_q <= passes(32'(q_d), PadLeft, Across, on_q_q && !last_q);
      if (last_b && last_q) on_p_q <= passes(32'(p_d), PadTop, Height, on_p_q && !last_p);
    end
  end

  for (genvar e = 0; e < Pe; e++) begin : gen_element
    localparam int unsigned C = Pixels > 0 ? e % Total : Before;  // channel of y
    if (C < Before || C >= Before + Channels) begin : gen_zero
      assign y_data_o[e*YBits+:YBits] = '0;
    end else begin : gen_x
      localparam int unsigned From = Pixels > 0 ? e / Total * Channels + C - Before : e;
      logic [XBits-1:0] x;
      logic [YBits-1:0] value;
      assign x = x_data_i[From*XBits+:XBits];
      if (XKind == 0) begin : gen_bipolar
        assign value = {{YBits - 1{!x[0]}}, 1'b1};
      end else begin : gen_number
        assign value = XKind == 2 ? YBits'(signed'(x)) : YBits'(x);
      end
      assign y_data_o[e*YBits+:YBits] = on ? value : '0;
    end
  end
endmodule
