// start - a reset in the first cycle, from whatever state: so what is proved holds after a reset at any time.

module start (
  input logic clk,
  input logic rst_n
);
  logic begun = 0;
  always @(posedge clk) begun <= 1;
  always_comb assume (rst_n == begun);
endmodule
