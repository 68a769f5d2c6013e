// board_dma_bd - board_dma for a Vivado block design, whose module references must be Verilog.

module board_dma_bd #(
  parameter Bytes    = 8,
  parameter InBits   = 8,
  parameter InWords  = 1,
  parameter OutBits  = 8,
  parameter OutWords = 1
) (
  (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axis:m_axis, ASSOCIATED_RESET rst_ni" *)
  input  wire               clk_i,
  input  wire               rst_ni,
  input  wire               s_axis_tvalid,
  output wire               s_axis_tready,
  input  wire [8*Bytes-1:0] s_axis_tdata,
  input  wire               s_axis_tlast,
  output wire               m_axis_tvalid,
  input  wire               m_axis_tready,
  output wire [8*Bytes-1:0] m_axis_tdata,
  output wire [Bytes-1:0]   m_axis_tkeep,
  output wire               m_axis_tlast
);
  board_dma #(.Bytes(Bytes), .InBits(InBits), .InWords(InWords), .OutBits(OutBits), .OutWords(OutWords)) stream (
    .clk_i(clk_i), .rst_ni(rst_ni),
    .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready), .s_axis_tdata(s_axis_tdata), .s_axis_tlast(s_axis_tlast),
    .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready), .m_axis_tdata(m_axis_tdata), .m_axis_tkeep(m_axis_tkeep),
    .m_axis_tlast(m_axis_tlast)
  );
endmodule
