// feeds - beats of weights become the words that units without a memory of weights take, each stream by itself.
//
// Feeds streams come in beats of Bytes bytes: the words of a unit one after another, each in whole bytes, the low byte first, and
// after the last of them zeros up to a whole beat; then they begin again. FeedWords says of each, in 96 bits: the bits of a word,
// how many words there are until they begin again, and the lowest bit of its words in y_data_o; stream 0 in the low bits.

module feeds #(
  parameter int unsigned Bytes    = 8,
  parameter int unsigned Feeds    = 1,
  parameter int unsigned FeedBits = 8,  // bits of a word of each stream, together
  parameter logic [96*Feeds-1:0] FeedWords = '0
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic [Feeds-1:0]         x_valid_i,
  output logic [Feeds-1:0]         x_ready_o,
  input  logic [Feeds*8*Bytes-1:0] x_data_i,
  output logic [Feeds-1:0]         y_valid_o,
  input  logic [Feeds-1:0]         y_ready_i,
  output logic [FeedBits-1:0]      y_data_o
);
  for (genvar k = 0; k < Feeds; k++) begin : gen_feed
    localparam int unsigned Bits  = FeedWords[96*k+:32];
    localparam int unsigned Words = FeedWords[96*k+32+:32];
    localparam int unsigned Low   = FeedWords[96*k+64+:32];
    localparam int unsigned Out   = (Bits + 7) / 8;
    // verilator lint_off UNUSEDSIGNAL
    logic [8*Out-1:0] word;  // the padding of a word is not looked at
    // verilator lint_on UNUSEDSIGNAL
    logic unused_end;

    gear #(
      .In(Bytes), .Out(Out), .InWords((Words * Out + Bytes - 1) / Bytes), .OutWords(Words)
    ) words (
      .clk_i(clk_i), .rst_ni(rst_ni),
      .x_valid_i(x_valid_i[k]), .x_ready_o(x_ready_o[k]), .x_data_i(x_data_i[8*Bytes*k+:8*Bytes]),
      .y_valid_o(y_valid_o[k]), .y_ready_i(y_ready_i[k]), .y_data_o(word), .y_last_o(unused_end)
    );
    assign y_data_o[Low+:Bits] = word[Bits-1:0];
  end
endmodule
