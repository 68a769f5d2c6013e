// accelerator - the network (module `network`) behind two byte streams, with a tag that follows each image.
//
// An image is InWords words, each padded to whole bytes (the unused high bits are ignored), packed into beats of Bytes
// bytes; the answer likewise, its padding zero. At most 16 images are inside at a time.
// feed: the words of Feeds streams of weights, as in stream_top, for units that have no memory of them.
// The tag given with the first beat of an image comes back with every beat of its answer; with TagLast, the tag given with
// the last beat comes back with the last.

module accelerator #(
  parameter int unsigned Bytes    = 1,  // bytes of one beat, on either side
  parameter int unsigned InBits   = 8,  // bits of one word of the network's input
  parameter int unsigned InWords  = 1,  // words of one image
  parameter int unsigned OutBits  = 8,
  parameter int unsigned OutWords = 1,
  parameter int unsigned TagBits  = 16,
  parameter bit          TagLast  = 1'b0,
  parameter int unsigned Feeds    = 0,
  parameter int unsigned FeedBits = 1
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // verilator lint_off UNUSEDSIGNAL
  input  logic [9:0]         load_i,   // the chain of load_word, where the network has one
  input  logic [(Feeds > 0 ? Feeds : 1)-1:0] feed_valid_i,
  input  logic [FeedBits-1:0] feed_data_i,
  // verilator lint_on UNUSEDSIGNAL
  output logic [(Feeds > 0 ? Feeds : 1)-1:0] feed_ready_o,
  input  logic               x_valid_i,
  output logic               x_ready_o,
  input  logic [8*Bytes-1:0] x_data_i,
  input  logic [TagBits-1:0] x_tag_i,
  output logic               y_valid_o,
  input  logic               y_ready_i,
  output logic [8*Bytes-1:0] y_data_o,
  output logic [TagBits-1:0] y_tag_o,
  output logic               y_last_o,
  output logic               first_o,  // the first beat of an image enters
  output logic               done_o    // the last beat of an answer leaves
);
  localparam int unsigned InBytes = (InBits + 7) / 8, OutBytes = (OutBits + 7) / 8;
  localparam int unsigned InBeats = (InWords * InBytes + Bytes - 1) / Bytes;
  localparam int unsigned OutBeats = (OutWords * OutBytes + Bytes - 1) / Bytes;
  localparam int unsigned BeatBits = $clog2(InBeats + 1);
  localparam int unsigned Images = 16, ImageBits = 4;

  // register slices where the link begins

  logic beat_valid, beat_ready, answer_beat_valid, answer_beat_ready, answer_beat_last;
  logic [8*Bytes-1:0] beat_data, answer_beat_data;
  logic [TagBits-1:0] beat_tag, answer_beat_tag;
  slice #(.Bits(TagBits + 8 * Bytes)) slice_x (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(x_valid_i), .x_ready_o(x_ready_o), .x_data_i({x_tag_i, x_data_i}),
    .y_valid_o(beat_valid), .y_ready_i(beat_ready), .y_data_o({beat_tag, beat_data})
  );
  slice #(.Bits(1 + TagBits + 8 * Bytes)) slice_y (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(answer_beat_valid), .x_ready_o(answer_beat_ready),
    .x_data_i({answer_beat_last, answer_beat_tag, answer_beat_data}),
    .y_valid_o(y_valid_o), .y_ready_i(y_ready_i), .y_data_o({y_last_o, y_tag_o, y_data_o})
  );

  // tags of the images inside

  logic [TagBits-1:0] tags_q [Images];
  logic [ImageBits-1:0] tag_in_q, tag_out_q;
  logic [ImageBits:0]   inside_q;
  logic [BeatBits-1:0]  beat_q;
  logic last_beat, carries_tag, come, gone, known;
  assign last_beat = beat_q == BeatBits'(InBeats - 1);
  assign carries_tag    = TagLast ? last_beat : beat_q == 0;
  assign come      = beat_valid && beat_ready && carries_tag;
  assign gone      = answer_beat_valid && answer_beat_ready && answer_beat_last;
  assign answer_beat_tag = tags_q[tag_out_q];
  assign first_o   = beat_valid && beat_ready && beat_q == 0;
  assign done_o    = y_valid_o && y_ready_i && y_last_o;

  always_ff @(posedge clk_i) begin
    if (come) tags_q[tag_in_q] <= beat_tag;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tag_in_q  <= '0;
      tag_out_q <= '0;
      inside_q  <= '0;
      beat_q    <= '0;
    end else begin
      if (beat_valid && beat_ready) beat_q <= last_beat ? '0 : beat_q + 1'b1;
      if (come) tag_in_q <= tag_in_q + 1'b1;
      if (gone) tag_out_q <= tag_out_q + 1'b1;
      if (come && !gone) inside_q <= inside_q + 1'b1;
      if (gone && !come) inside_q <= inside_q - 1'b1;
    end
  end

  // bytes to words, the network, words to bytes

  logic gear_ready, in_valid, in_ready, out_valid, out_ready, gear_valid, room;
  // verilator lint_off UNUSEDSIGNAL
  logic [8*InBytes-1:0]  in_data;  // the padding of a word is not looked at
  // verilator lint_on UNUSEDSIGNAL
  logic [8*OutBytes-1:0] out_data;
  logic unused_end;
  logic net_valid, net_ready, answer_valid, answer_ready;
  logic [InBits-1:0]  net_data;
  logic [OutBits-1:0] answer_data;
  assign room      = !carries_tag || inside_q != (ImageBits + 1)'(Images);
  assign beat_ready = gear_ready && room;

  gear #(.In(Bytes), .Out(InBytes), .InWords(InBeats), .OutWords(InWords)) gear_in (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(beat_valid && room), .x_ready_o(gear_ready), .x_data_i(beat_data),
    .y_valid_o(in_valid), .y_ready_i(in_ready), .y_data_o(in_data), .y_last_o(unused_end)
  );

  if (OutBits % 8 != 0) begin : gen_pad
    assign out_data[8*OutBytes-1:OutBits] = '0;
  end
  slice #(.Bits(InBits)) slice_in (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(in_valid), .x_ready_o(in_ready), .x_data_i(in_data[InBits-1:0]),
    .y_valid_o(net_valid), .y_ready_i(net_ready), .y_data_o(net_data)
  );
  logic [Feeds:0] to_net_valid, to_net_ready;  // the images, then the weights
  logic [InBits+(Feeds>0?FeedBits:0)-1:0] to_net_data;
  assign to_net_valid[0]         = net_valid;
  assign to_net_data[InBits-1:0] = net_data;
  assign net_ready               = to_net_ready[0];
  if (Feeds > 0) begin : gen_feeds
    assign to_net_valid[Feeds:1]         = feed_valid_i;
    assign to_net_data[InBits+:FeedBits] = feed_data_i;
    assign feed_ready_o                  = to_net_ready[Feeds:1];
  end else begin : gen_no_feed
    assign feed_ready_o = '0;
  end
  network core (
    .*,  // clk_i, rst_ni and, where the network has it, load_i
    .x_valid_i(to_net_valid), .x_ready_o(to_net_ready), .x_data_i(to_net_data),
    .y_valid_o(answer_valid), .y_ready_i(answer_ready), .y_data_o(answer_data)
  );
  slice #(.Bits(OutBits)) slice_out (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(answer_valid), .x_ready_o(answer_ready), .x_data_i(answer_data),
    .y_valid_o(out_valid), .y_ready_i(out_ready), .y_data_o(out_data[OutBits-1:0])
  );

  gear #(.In(OutBytes), .Out(Bytes), .InWords(OutWords), .OutWords(OutBeats)) gear_out (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(out_valid), .x_ready_o(out_ready), .x_data_i(out_data),
    .y_valid_o(gear_valid), .y_ready_i(answer_beat_ready && known), .y_data_o(answer_beat_data), .y_last_o(answer_beat_last)
  );
  // the end of an answer may be ready before the last beat of its image has come
  assign known     = inside_q != 0 || (TagLast && !answer_beat_last);
  assign answer_beat_valid = gear_valid && known;
endmodule
