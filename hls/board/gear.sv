// gear - packets of In-byte words become packets of Out-byte words, the bytes in order.
//
// A packet is InWords words in and OutWords words out; each packet starts on a word of its own. Bytes missing at its
// end read as zero, bytes left over in the last word in are dropped. Byte 0 is in the low bits.
// Timing: where one width divides the other, a plain shift register; else a buffer of In + 2*Out bytes that keeps the
// narrower side busy within a packet. One to two cycles pass between packets.

module gear #(
  parameter int unsigned In       = 1,  // bytes of one word in
  parameter int unsigned Out      = 1,  // bytes of one word out
  parameter int unsigned InWords  = 1,  // words in of one packet
  parameter int unsigned OutWords = 1   // words out of one packet
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             x_valid_i,
  output logic             x_ready_o,
  input  logic [8*In-1:0]  x_data_i,
  output logic             y_valid_o,
  input  logic             y_ready_i,
  output logic [8*Out-1:0] y_data_o,
  output logic             y_last_o  // with the last word of a packet
);
  localparam bit Gather = Out % In == 0 && InWords * In == OutWords * Out;
  localparam bit Spread = In % Out == 0 && InWords * In == OutWords * Out;
  localparam int unsigned OutBits = $clog2(OutWords + 1);

  if (InWords * In < OutWords * Out - (Out - 1)) begin : gen_too_few
    $error("gear: %0d words of %0d bytes do not fill %0d words of %0d", InWords, In, OutWords, Out);
  end

  // the last word in must be needed: one that is not would be taken for the next packet's first when it comes late
  if ((InWords - 1) * In >= OutWords * Out) begin : gen_too_many
    $error("gear: %0d words of %0d bytes fill %0d words of %0d without the last", InWords, In, OutWords, Out);
  end

  logic take, give;
  logic [OutBits-1:0] given_q;
  assign take     = x_valid_i && x_ready_o;
  assign give     = y_valid_o && y_ready_i;
  assign y_last_o = given_q == OutBits'(OutWords - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) given_q <= '0;
    else if (give) given_q <= y_last_o ? '0 : given_q + 1'b1;
  end

  if (Gather) begin : gen_gather
    localparam int unsigned Steps = Out / In;
    logic [$clog2(Steps + 1)-1:0] held_q;
    logic [8*Out-1:0] word_q;
    assign y_valid_o = held_q == ($clog2(Steps + 1))'(Steps);
    assign x_ready_o = !y_valid_o || y_ready_i;
    assign y_data_o  = word_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) held_q <= '0;
      else if (take) held_q <= y_valid_o ? ($clog2(Steps + 1))'(1) : held_q + 1'b1;
      else if (give) held_q <= '0;
      if (take) word_q <= (8*Out)'({x_data_i, word_q} >> (8 * In));
    end
  end else if (Spread) begin : gen_spread
    localparam int unsigned Steps = In / Out;
    logic [$clog2(Steps + 1)-1:0] held_q;
    logic [8*In-1:0] word_q;
    assign y_valid_o = held_q != 0;
    assign x_ready_o = held_q == 0 || (held_q == 1 && y_ready_i);
    assign y_data_o  = word_q[8*Out-1:0];
    always_ff @(posedge clk_i) begin
      if (!rst_ni) held_q <= '0;
      else if (take) held_q <= ($clog2(Steps + 1))'(Steps);
      else if (give) held_q <= held_q - 1'b1;
      if (take) word_q <= x_data_i;
      else if (give) word_q <= word_q >> (8 * Out);
    end
  end else begin : gen_any
    localparam int unsigned Room = In + 2 * Out;
    localparam int unsigned RoomBits = $clog2(Room + 1), InBits = $clog2(InWords + 1);
    logic [RoomBits-1:0] held_q, held, kept;
    logic [InBits-1:0]   taken_q;
    logic [8*Room-1:0]   bytes_q, bytes;
    logic                all_in;
    assign all_in    = taken_q == InBits'(InWords);
    assign y_valid_o = held_q >= RoomBits'(Out) || all_in;
    assign x_ready_o = !all_in && held_q <= RoomBits'(2 * Out);
    assign y_data_o  = bytes_q[8*Out-1:0];
    always_comb begin
      kept  = !give ? held_q : held_q < RoomBits'(Out) ? '0 : held_q - RoomBits'(Out);
      bytes = give ? bytes_q >> (8 * Out) : bytes_q;
      held  = kept;
      if (take) begin
        bytes = bytes | ((8*Room)'(x_data_i) << (8 * kept));
        held  = kept + RoomBits'(In);
      end
    end
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (give && y_last_o)) begin
        held_q  <= '0;
        taken_q <= '0;
        bytes_q <= '0;
      end else begin
        held_q  <= held;
        bytes_q <= bytes;
        if (take) taken_q <= taken_q + 1'b1;
      end
    end
  end
endmodule
