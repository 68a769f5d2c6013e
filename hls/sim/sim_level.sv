// sim_level - the most words a fifo ever held (simulation only), told when report_i is high.

module sim_level #(
  parameter int unsigned Id = 0
) (
  input logic clk_i,
  input logic rst_ni,
  input logic report_i,
  input logic put_i,  // a word enters
  input logic get_i   // a word leaves
);
  import "DPI-C" function void sim_peak(input int unsigned id, input int unsigned peak);

  int unsigned level_q = 0, peak_q = 0, level_d;

  always_comb begin
    level_d = level_q;
    if (put_i && !get_i) level_d = level_q + 1;
    if (!put_i && get_i) level_d = level_q - 1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      level_q <= 0;
      peak_q  <= 0;
    end else begin
      level_q <= level_d;
      if (level_d > peak_q) peak_q <= level_d;
    end
    if (report_i) sim_peak(Id, peak_q);
  end
endmodule
