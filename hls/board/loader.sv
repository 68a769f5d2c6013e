// loader - takes other weights from a host and sends them down the chain of load_word, while the network stands still.
//
// begin_i asks for a load. Nothing enters the network from then on (hold_o); if an image is inside all the same (busy_i),
// the load is refused: refused_o is high for one cycle, and all goes on as before. Else LoadBytes bytes follow, four in each
// word_i, low byte first; what is left of the last word is ignored. word_valid_i is high for one cycle while ready_o is.
// After the last byte the network is reset once (done_o) and images may enter again.
//   loaded_o   bytes taken since the load began
//   weights_o  CRC-32 of the bytes that are inside; WeightsCrc, of those that came with the design, until others are
//              loaded, 0 while a load is under way. A load that is not brought to its end, for whatever reason, leaves a mixture:
//              whole_o stays low and nothing may enter until a whole load has been.
// No reset brings back the weights of the design, so none changes whole_o and weights_o: only configuration does.
// LoadBytes 0: the network's memories are fixed; all of this is wires.

module loader #(
  parameter int unsigned LoadBytes  = 0,
  parameter int unsigned WeightsCrc = 0,
  parameter int unsigned Settle     = 8,   // cycles until an image that was about to enter is seen inside
  parameter int unsigned Drain      = 255  // cycles of the chain, at least its memories
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        begin_i,
  input  logic        busy_i,
  input  logic        word_valid_i,
  input  logic [31:0] word_i,
  output logic        ready_o,
  output logic [9:0]  load_o,
  output logic        hold_o,
  output logic        done_o,
  output logic        refused_o,
  output logic        whole_o,
  output logic [31:0] loaded_o,
  output logic [31:0] weights_o
);
  if (LoadBytes == 0) begin : gen_fixed
    assign ready_o   = 1'b1;
    assign load_o    = '0;
    assign hold_o    = 1'b0;
    assign done_o    = 1'b0;
    assign refused_o = 1'b0;
    assign whole_o   = 1'b1;
    assign loaded_o  = '0;
    assign weights_o = 32'(WeightsCrc);
    logic unused;
    assign unused = &{clk_i, rst_ni, begin_i, busy_i, word_valid_i, word_i};
  end else begin : gen_load
    localparam int unsigned Most = Settle > Drain ? Settle : Drain;
    localparam int unsigned WaitBits = $clog2(Most + 1);
    typedef enum logic [2:0] {Idle, Ask, Take, Byte, Add, Empty} state_e;
    state_e state_q, state_d;
    logic [WaitBits-1:0] wait_q;
    logic [31:0] word_q, loaded_q, weights_q, crc;
    logic [1:0]  left_q;  // bytes of word_q to come
    logic        whole_q, start, add, crc_busy, last;

    initial begin
      whole_q   = 1'b1;
      weights_q = 32'(WeightsCrc);
    end

    assign start     = state_q == Ask && wait_q == '0 && !busy_i;
    assign refused_o = state_q == Ask && wait_q == '0 && busy_i;
    assign add       = state_q == Byte;
    assign last      = loaded_q == 32'(LoadBytes);
    assign done_o    = state_q == Empty && wait_q == '0;
    assign ready_o   = state_q == Take || state_q == Idle;
    assign hold_o    = state_q != Idle || !whole_q;
    assign whole_o   = whole_q;
    assign loaded_o  = loaded_q;
    assign weights_o = weights_q;

    crc32 crc_of (
      .clk_i(clk_i), .clear_i(start), .add_i(add), .data_i(word_q[7:0]), .busy_o(crc_busy), .crc_o(crc)
    );

    always_comb begin
      state_d = state_q;
      unique case (state_q)
        Idle:    if (begin_i) state_d = Ask;
        Ask:     if (start) state_d = Take; else if (refused_o) state_d = Idle;
        Take:    if (begin_i) state_d = Ask; else if (word_valid_i) state_d = Byte;
        Byte:    state_d = Add;
        Add:     if (!crc_busy) state_d = last ? Empty : left_q == '0 ? Take : Byte;
        default: if (done_o) state_d = Idle;
      endcase
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        state_q  <= Idle;
        loaded_q <= '0;
        load_o   <= '0;
      end else begin
        state_q <= state_d;
        if (start) loaded_q <= '0;
        else if (add) loaded_q <= loaded_q + 1'b1;
        load_o <= {start, add, word_q[7:0]};
      end
      if (state_q == Take) begin
        word_q <= word_i;
        left_q <= 2'd3;
      end else if (state_q == Add && !crc_busy) begin
        word_q <= word_q >> 8;
        left_q <= left_q - 1'b1;
      end
      if (state_q == Idle || state_q == Take) wait_q <= WaitBits'(Settle);
      else if (state_q == Add) wait_q <= WaitBits'(Drain);
      else if (wait_q != '0) wait_q <= wait_q - 1'b1;
      if (rst_ni && start) begin
        whole_q   <= 1'b0;
        weights_q <= '0;
      end else if (rst_ni && done_o) begin
        whole_q   <= 1'b1;
        weights_q <= ~crc;
      end
    end
  end
endmodule
