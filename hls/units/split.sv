// split - one stream becomes Copies equal ones, each taken in its own time.
//
//   y_k = x      k = 0 .. Copies-1; copy 0 has the low bits of the y ports
//
// A copy takes a word as soon as it can, and a flag remembers that it did; x moves on when all copies have the word.
// Timing: one cycle a word, no cycle from x to y. No valid waits for a ready, so no two copies can block each other
// within a word; copies that meet again later need a fifo as deep as their paths differ.
module split #(
  parameter int unsigned Bits   = 1,  // bits of a word
  parameter int unsigned Copies = 2
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   x_valid_i,
  output logic                   x_ready_o,
  input  logic [Bits-1:0]        x_data_i,
  output logic [Copies-1:0]      y_valid_o,
  input  logic [Copies-1:0]      y_ready_i,
  output logic [Copies*Bits-1:0] y_data_o
);
  logic [Copies-1:0] done_q, done_d;
  assign done_d = done_q | y_ready_i;
  assign x_ready_o = &done_d;
  assign y_valid_o = {Copies{x_valid_i}} & ~done_q;
  assign y_data_o = {Copies{x_data_i}};
  always_ff @(posedge clk_i) begin
    if (!rst_ni) done_q <= '0;
    else if (x_valid_i) done_q <= x_ready_o ? '0 : done_d;
  end
endmodule
