// sim_sink - writes a stream to a file (simulation only; sim_streams.cpp holds the files).
//
// Takes a word in every cycle, or, when stalls are on, in random cycles.

module sim_sink #(
  parameter int unsigned Bits = 8,  // bits of one word
  parameter int unsigned Id   = 0,
  parameter int unsigned CheckLast = 0  // 1: last_i must mark the last word of each image
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            valid_i,
  output logic            ready_o,
  input  logic [Bits-1:0] data_i,
  input  logic            last_i
);
  localparam int unsigned Chunks = (Bits + 31) / 32;

  import "DPI-C" function void sim_rewind(input int unsigned id);
  import "DPI-C" function bit sim_take(input int unsigned id);
  import "DPI-C" function void sim_put(input int unsigned id, input int unsigned chunk, input int unsigned bits);
  import "DPI-C" function void sim_last(input int unsigned id, input bit last);
  import "DPI-C" function void sim_moved(input int unsigned id);

  logic                 ready_q = 1'b0;
  logic [Chunks*32-1:0] word;
  assign word    = (Chunks*32)'(data_i);
  assign ready_o = ready_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sim_rewind(Id);
      ready_q <= 1'b0;
    end else begin
      if (valid_i && ready_q) begin
        for (int unsigned c = 0; c < Chunks; c++) sim_put(Id, c, word[32*c+:32]);
        if (CheckLast != 0) sim_last(Id, last_i);
        sim_moved(Id);
      end
      ready_q <= sim_take(Id);
    end
  end
endmodule
