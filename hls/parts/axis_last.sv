// axis_last - says which word of a stream is the last of its image.
//
//   last_o is high together with word Words-1, 2*Words-1, ..        no latency; counts the words that move

module axis_last #(
  parameter int unsigned Words = 1  // words of one image
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic move_i,  // valid and ready of the stream
  output logic last_o
);
  localparam int unsigned Bits = $clog2(Words + 1);

  logic [Bits-1:0] word_q;
  assign last_o = word_q == Bits'(Words - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) word_q <= '0;
    else if (move_i) word_q <= last_o ? '0 : word_q + 1'b1;
  end
endmodule
