// sim_source - feeds a stream from a file (simulation only; sim_streams.cpp holds the files).
//
// Offers word after word and never takes one back. When stalls are on it leaves gaps at random.
// The sim_ functions are the same in every sim_ module; Id names the stream.

module sim_source #(
  parameter int unsigned Bits = 8,  // bits of one word
  parameter int unsigned Id   = 0
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  output logic            valid_o,
  input  logic            ready_i,
  output logic [Bits-1:0] data_o
);
  localparam int unsigned Chunks = (Bits + 31) / 32;

  import "DPI-C" function void sim_rewind(input int unsigned id);
  import "DPI-C" function bit sim_offer(input int unsigned id);
  import "DPI-C" function int unsigned sim_get(input int unsigned id, input int unsigned chunk);
  import "DPI-C" function void sim_moved(input int unsigned id);

  logic [Chunks*32-1:0] word_q = '0;
  logic                 valid_q = 1'b0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sim_rewind(Id);
      valid_q <= 1'b0;
    end else begin
      if (valid_q && ready_i) sim_moved(Id);
      if (!valid_q || ready_i) begin
        valid_q <= sim_offer(Id);
        for (int unsigned c = 0; c < Chunks; c++) word_q[32*c+:32] <= sim_get(Id, c);
      end
    end
  end

  assign valid_o = valid_q;
  assign data_o  = word_q[Bits-1:0];
endmodule
