// sim_tap - listens to a stream between two units (simulation only).
//
// Counts its words and the bits that change from one to the next, records them when Capture is 1, and says where it
// stands when report_i is high.

module sim_tap #(
  parameter int unsigned Bits    = 8,  // bits of one word
  parameter int unsigned Id      = 0,
  parameter int unsigned Capture = 0
) (
  input logic            clk_i,
  input logic            rst_ni,
  input logic            report_i,
  input logic            valid_i,
  input logic            ready_i,
  input logic [Bits-1:0] data_i
);
  localparam int unsigned Chunks = (Bits + 31) / 32;

  import "DPI-C" function void sim_rewind(input int unsigned id);
  import "DPI-C" function void sim_put(input int unsigned id, input int unsigned chunk, input int unsigned bits);
  import "DPI-C" function void sim_moved(input int unsigned id);
  import "DPI-C" function void sim_state(input int unsigned id, input bit valid, input bit ready, input longint unsigned words, input longint unsigned toggles);

  longint unsigned words_q = 0, toggles_q = 0;
  logic [Bits-1:0] last_q = '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      words_q   <= 0;
      toggles_q <= 0;
    end else if (valid_i && ready_i) begin
      words_q   <= words_q + 1;
      toggles_q <= toggles_q + 64'($countones(data_i ^ last_q));
      last_q    <= data_i;
    end
    if (report_i) sim_state(Id, valid_i, ready_i, words_q, toggles_q);
  end

  if (Capture != 0) begin : gen_capture
    logic [Chunks*32-1:0] word;
    assign word = (Chunks*32)'(data_i);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) sim_rewind(Id);
      else if (valid_i && ready_i) begin
        for (int unsigned c = 0; c < Chunks; c++) sim_put(Id, c, word[32*c+:32]);
        sim_moved(Id);
      end
    end
  end
endmodule
