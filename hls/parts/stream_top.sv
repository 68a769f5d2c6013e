// stream_top - the network (module `network`) between two AXI4-Stream ports: what `top` is made of.
//
// s_axis: InWords words an image, the word in the low bits of whole bytes. Framing says what s_axis_tlast means (see framing).
// m_axis: OutWords words an answer, the unused high bits zero. m_axis_tlast is high with the last word of each answer;
// m_axis_tuser is high with it when the image was broken: its packet was too short or too long, its answer means nothing.
// error_o is high for one cycle when a broken packet is seen.
//
// Slices 1 puts a register slice (two words, valid and ready both registered) on either side of the network, so that no
// combinational path leads through it from outside; that is one cycle more on either side, none at full rate.
// feed: Feeds streams of weights for units that have no memory of them, as further streams of the network's x: the words in
// the order in which they are used, over and over, from the first one after a reset. They need no slices: their units have some.
// After a reset, s_axis_tready may be high at once: offer nothing while rst_ni is low.

module stream_top #(
  parameter int unsigned InBits   = 8,  // bits of one word of the network's input
  parameter int unsigned InWords  = 1,  // words of one image
  parameter int unsigned OutBits  = 8,
  parameter int unsigned OutWords = 1,
  parameter int unsigned Framing  = 1,
  parameter bit          Slices   = 1'b1,
  parameter int unsigned Feeds    = 0,
  parameter int unsigned FeedBits = 1,  // bits of a word of each feed, together
  localparam int unsigned InBytes  = (InBits + 7) / 8,
  localparam int unsigned OutBytes = (OutBits + 7) / 8
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  s_axis_tvalid,
  output logic                  s_axis_tready,
  // verilator lint_off UNUSEDSIGNAL
  input  logic [8*InBytes-1:0]  s_axis_tdata,  // the padding of a word is not looked at
  // verilator lint_on UNUSEDSIGNAL
  input  logic                  s_axis_tlast,
  // verilator lint_off UNUSEDSIGNAL
  input  logic [(Feeds > 0 ? Feeds : 1)-1:0] feed_valid_i,
  input  logic [FeedBits-1:0]   feed_data_i,
  // verilator lint_on UNUSEDSIGNAL
  output logic [(Feeds > 0 ? Feeds : 1)-1:0] feed_ready_o,
  output logic                  m_axis_tvalid,
  input  logic                  m_axis_tready,
  output logic [8*OutBytes-1:0] m_axis_tdata,
  output logic                  m_axis_tlast,
  output logic                  m_axis_tuser,
  output logic                  error_o
);
  logic framed_valid, framed_ready, x_valid, x_ready, y_valid, y_ready, last, broken, unused_end, unused_first, unused_busy;
  logic [InBits-1:0]  framed_data, x_data;
  logic [OutBits-1:0] y_data;

  framing #(
    .Bits(InBits), .Words(InWords), .Framing(Framing)
  ) frame (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(s_axis_tvalid), .x_ready_o(s_axis_tready), .x_data_i(s_axis_tdata[InBits-1:0]), .x_last_i(s_axis_tlast),
    .y_valid_o(framed_valid), .y_ready_i(framed_ready), .y_data_o(framed_data), .y_last_o(unused_end),
    .done_i(y_valid && y_ready && last), .broken_o(broken), .error_o(error_o), .first_o(unused_first), .busy_o(unused_busy)
  );
  slice #(
    .Bits(InBits), .Registered(Slices)
  ) slice_in (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(framed_valid), .x_ready_o(framed_ready), .x_data_i(framed_data),
    .y_valid_o(x_valid), .y_ready_i(x_ready), .y_data_o(x_data)
  );
  // verilator lint_off UNUSEDSIGNAL
  logic [9:0] load_i;  // weights are not loaded here
  // verilator lint_on UNUSEDSIGNAL
  assign load_i = '0;
  logic [Feeds:0] in_valid, in_ready;  // the images, then the weights
  logic [InBits+(Feeds>0?FeedBits:0)-1:0] in_data;
  assign in_valid[0]         = x_valid;
  assign in_data[InBits-1:0] = x_data;
  assign x_ready             = in_ready[0];
  if (Feeds > 0) begin : gen_feeds
    assign in_valid[Feeds:1]         = feed_valid_i;
    assign in_data[InBits+:FeedBits] = feed_data_i;
    assign feed_ready_o              = in_ready[Feeds:1];
  end else begin : gen_no_feed
    assign feed_ready_o = '0;
  end
  network core (
    .*,  // clk_i, rst_ni and, where the network has it, load_i
    .x_valid_i(in_valid), .x_ready_o(in_ready), .x_data_i(in_data),
    .y_valid_o(y_valid), .y_ready_i(y_ready), .y_data_o(y_data)
  );
  axis_last #(
    .Words(OutWords)
  ) ends (
    .clk_i(clk_i), .rst_ni(rst_ni), .move_i(y_valid && y_ready), .last_o(last)
  );
  slice #(
    .Bits(OutBits + 2), .Registered(Slices)
  ) slice_out (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(y_valid), .x_ready_o(y_ready), .x_data_i({broken && last, last, y_data}),
    .y_valid_o(m_axis_tvalid), .y_ready_i(m_axis_tready), .y_data_o({m_axis_tuser, m_axis_tlast, m_axis_tdata[OutBits-1:0]})
  );
  if (OutBits % 8 != 0) begin : gen_pad
    assign m_axis_tdata[8*OutBytes-1:OutBits] = '0;
  end
endmodule
