// board_dma - the network between two AXI streams of an AXI DMA, with registers on AXI4-Lite: what Zynq boards run.
//
// One DMA transfer is a batch of images, each padded to whole beats; tlast on its last beat comes back on the last beat of
// the last answer, so the receiving channel ends when the batch does. tkeep is all ones: answers are padded too.
// A transfer that ends inside an image is counted in ERRORS (see control); the image is filled up, so that an answer, which
// means nothing, comes with tlast, and the next transfer starts with an image of its own.
// Weights can be loaded over the registers where LoadBytes says so: refused while an image is inside or offered.
// w_axis: Feeds streams of weights for units that have no memory of them, a DMA each (see feeds); after any reset, from the first
// word. Their beats are taken whenever there is room, so a batch must be given as many as it needs, and none is left over.
// A soft reset (CONTROL) empties the network; the streams stand still while it lasts.

module board_dma #(
  parameter int unsigned Bytes    = 8,
  parameter int unsigned InBits   = 8,
  parameter int unsigned InWords  = 1,
  parameter int unsigned OutBits  = 8,
  parameter int unsigned OutWords = 1,
  parameter int unsigned DesignId = 0,
  parameter int unsigned HashLow  = 0,
  parameter int unsigned HashHigh = 0,
  parameter int unsigned LoadBytes  = 0,  // of the weights that can be loaded; 0: they are fixed
  parameter int unsigned WeightsCrc = 0,
  parameter int unsigned Feeds    = 0,
  parameter int unsigned FeedBits = 1,
  parameter logic [96*(Feeds>0?Feeds:1)-1:0] FeedWords = '0,
  localparam int unsigned Ports = Feeds > 0 ? Feeds : 1
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               s_axis_tvalid,
  output logic               s_axis_tready,
  input  logic [8*Bytes-1:0] s_axis_tdata,
  input  logic               s_axis_tlast,
  // verilator lint_off UNUSEDSIGNAL
  input  logic [Ports-1:0]         w_axis_tvalid,
  input  logic [Ports*8*Bytes-1:0] w_axis_tdata,
  // verilator lint_on UNUSEDSIGNAL
  output logic [Ports-1:0]         w_axis_tready,
  output logic               m_axis_tvalid,
  input  logic               m_axis_tready,
  output logic [8*Bytes-1:0] m_axis_tdata,
  output logic [Bytes-1:0]   m_axis_tkeep,
  output logic               m_axis_tlast,
  input  logic               s_axil_awvalid,
  output logic               s_axil_awready,
  input  logic [7:0]         s_axil_awaddr,
  input  logic [2:0]         s_axil_awprot,
  input  logic               s_axil_wvalid,
  output logic               s_axil_wready,
  input  logic [31:0]        s_axil_wdata,
  input  logic [3:0]         s_axil_wstrb,
  output logic               s_axil_bvalid,
  input  logic               s_axil_bready,
  output logic [1:0]         s_axil_bresp,
  input  logic               s_axil_arvalid,
  output logic               s_axil_arready,
  input  logic [7:0]         s_axil_araddr,
  input  logic [2:0]         s_axil_arprot,
  output logic               s_axil_rvalid,
  input  logic               s_axil_rready,
  output logic [31:0]        s_axil_rdata,
  output logic [1:0]         s_axil_rresp
);
  localparam int unsigned InBeats = (InWords * ((InBits + 7) / 8) + Bytes - 1) / Bytes;

  logic run_n, beat_valid, beat_ready, beat_last, out_valid, last_image, last_beat, frame_ready, first, done, error, busy,
        hold, ready, unused_broken, unused_first;
  logic [9:0] load;
  logic [8*Bytes-1:0] beat_data;
  logic [4:0]  addr;
  logic        write;
  logic [31:0] to_control;
  logic [31:0] from_control;

  assign s_axis_tready = frame_ready && run_n && !hold;
  assign m_axis_tvalid = out_valid && run_n;
  assign m_axis_tkeep  = '1;
  assign m_axis_tlast  = last_image && last_beat;

  framing #(
    .Bits(8 * Bytes), .Words(InBeats), .Framing(1)
  ) frame (
    .clk_i(clk_i), .rst_ni(run_n),
    .x_valid_i(s_axis_tvalid && run_n && !hold), .x_ready_o(frame_ready), .x_data_i(s_axis_tdata), .x_last_i(s_axis_tlast),
    .y_valid_o(beat_valid), .y_ready_i(beat_ready), .y_data_o(beat_data), .y_last_o(beat_last),
    .done_i(done), .broken_o(unused_broken), .error_o(error), .first_o(first), .busy_o(busy)
  );
  logic [Ports-1:0]    feed_valid, feed_ready;
  logic [FeedBits-1:0] feed_data;
  if (Feeds > 0) begin : gen_feeds
    logic [Feeds-1:0] taken;
    assign w_axis_tready = taken & {Feeds{run_n}};
    feeds #(
      .Bytes(Bytes), .Feeds(Feeds), .FeedBits(FeedBits), .FeedWords(FeedWords)
    ) weights (
      .clk_i(clk_i), .rst_ni(run_n),
      .x_valid_i(w_axis_tvalid & {Feeds{run_n}}), .x_ready_o(taken), .x_data_i(w_axis_tdata),
      .y_valid_o(feed_valid), .y_ready_i(feed_ready), .y_data_o(feed_data)
    );
  end else begin : gen_no_feed
    assign w_axis_tready = '0;
    assign feed_valid    = '0;
    assign feed_data     = '0;
    logic unused;
    assign unused = &{feed_ready, FeedWords};
  end
  accelerator #(
    .Bytes(Bytes), .InBits(InBits), .InWords(InWords), .OutBits(OutBits), .OutWords(OutWords), .TagBits(1), .TagLast(1'b1),
    .Feeds(Feeds), .FeedBits(FeedBits)
  ) net (
    .clk_i(clk_i), .rst_ni(run_n), .load_i(load),
    .feed_valid_i(feed_valid), .feed_ready_o(feed_ready), .feed_data_i(feed_data),
    .x_valid_i(beat_valid), .x_ready_o(beat_ready), .x_data_i(beat_data), .x_tag_i(beat_last),
    .y_valid_o(out_valid), .y_ready_i(m_axis_tready && run_n), .y_data_o(m_axis_tdata), .y_tag_o(last_image), .y_last_o(last_beat),
    .first_o(unused_first), .done_o(done)
  );
  control #(
    .DesignId(DesignId), .HashLow(HashLow), .HashHigh(HashHigh), .LoadBytes(LoadBytes), .WeightsCrc(WeightsCrc)
  ) registers (
    .clk_i(clk_i), .rst_ni(rst_ni), .addr_i(addr), .write_i(write), .ready_o(ready), .data_i(to_control), .data_o(from_control), .run_no(run_n),
    .first_i(first), .done_i(done), .error_i(error), .busy_i(busy),
    .refused_i(s_axis_tvalid && !s_axis_tready), .waiting_i(m_axis_tvalid && !m_axis_tready),
    .coming_i(busy || s_axis_tvalid), .hold_o(hold), .load_o(load)
  );
  axil_slave axil (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .s_axil_awvalid(s_axil_awvalid), .s_axil_awready(s_axil_awready), .s_axil_awaddr(s_axil_awaddr), .s_axil_awprot(s_axil_awprot),
    .s_axil_wvalid(s_axil_wvalid), .s_axil_wready(s_axil_wready), .s_axil_wdata(s_axil_wdata), .s_axil_wstrb(s_axil_wstrb),
    .s_axil_bvalid(s_axil_bvalid), .s_axil_bready(s_axil_bready), .s_axil_bresp(s_axil_bresp),
    .s_axil_arvalid(s_axil_arvalid), .s_axil_arready(s_axil_arready), .s_axil_araddr(s_axil_araddr), .s_axil_arprot(s_axil_arprot),
    .s_axil_rvalid(s_axil_rvalid), .s_axil_rready(s_axil_rready), .s_axil_rdata(s_axil_rdata), .s_axil_rresp(s_axil_rresp),
    .addr_o(addr), .write_o(write), .ready_i(ready), .data_o(to_control), .data_i(from_control)
  );
endmodule
