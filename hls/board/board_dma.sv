// board_dma - the network between two AXI streams of an AXI DMA: what Zynq boards run.
//
// One DMA transfer is a batch of images, each padded to whole beats; tlast on its last beat comes back on the last beat of
// the last answer, so the receiving channel ends when the batch does. tkeep is all ones: answers are padded too.

module board_dma #(
  parameter int unsigned Bytes    = 8,
  parameter int unsigned InBits   = 8,
  parameter int unsigned InWords  = 1,
  parameter int unsigned OutBits  = 8,
  parameter int unsigned OutWords = 1
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               s_axis_tvalid,
  output logic               s_axis_tready,
  input  logic [8*Bytes-1:0] s_axis_tdata,
  input  logic               s_axis_tlast,
  output logic               m_axis_tvalid,
  input  logic               m_axis_tready,
  output logic [8*Bytes-1:0] m_axis_tdata,
  output logic [Bytes-1:0]   m_axis_tkeep,
  output logic               m_axis_tlast
);
  logic last_image, last_beat;

  accelerator #(
    .Bytes(Bytes), .InBits(InBits), .InWords(InWords), .OutBits(OutBits), .OutWords(OutWords), .TagBits(1), .TagLast(1'b1)
  ) net (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .x_valid_i(s_axis_tvalid), .x_ready_o(s_axis_tready), .x_data_i(s_axis_tdata), .x_tag_i(s_axis_tlast),
    .y_valid_o(m_axis_tvalid), .y_ready_i(m_axis_tready), .y_data_o(m_axis_tdata), .y_tag_o(last_image), .y_last_o(last_beat)
  );
  assign m_axis_tkeep = '1;
  assign m_axis_tlast = last_image && last_beat;
endmodule
