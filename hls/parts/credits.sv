// credits - how far the writer and the reader of a ring of words may go.
//
//   ready_o  every word that the reader needs next has been written
//   room_o   there is a free word, so that writing loses none that the reader still needs
// Timing: a word that is written, and what the reader asks and frees, counts from the next cycle on; both outputs come
// from registers. move_i may come late: it meets the amounts in the LUTs of the adders.
module credits #(
  parameter int unsigned Bits = 8,  // of a signed number of words; one bit more than the most words need
  parameter int          Need = 1,  // words without which the reader cannot begin
  parameter int          Room = 1   // words that can be written before the reader frees any
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   write_i,  // a word is written
  input  logic                   move_i,   // the reader moves on, and adds
  input  logic signed [Bits-1:0] needed_i, // minus the words that it needs more from the next cycle on
  input  logic signed [Bits-1:0] freed_i,  // minus the words that it has read for the last time
  output logic                   ready_o,
  output logic                   room_o
);
  typedef logic signed [Bits-1:0] credit_t;
  credit_t avail_q;  // words beyond the last one needed; its sign says that one is missing
  credit_t over_q;   // words written beyond the room; its sign says "none", so that room_o is a register's own bit

  // a + b + one, which enters by the carry
  function automatic credit_t sum(input credit_t a, input credit_t b, input logic one);
    sum = credit_t'(({a, 1'b1} + {b, one}) >> 1);
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      avail_q <= credit_t'(-Need);
      over_q  <= credit_t'(-Room);
    end else begin
      avail_q <= sum(avail_q, move_i ? needed_i : '0, write_i);
      over_q  <= sum(over_q, move_i ? freed_i : '0, write_i);
    end
  end

  assign ready_o = !avail_q[Bits-1];
  assign room_o  = over_q[Bits-1];
endmodule
