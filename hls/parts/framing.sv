// framing - keeps a network in step with the packets of its source, and says so when one is too short or too long.
//
// Stands in front of a network whose images are Words words. x_last_i marks the last word of a packet.
//   Framing 0  x_last_i is not looked at.
//   Framing 1  a packet is one or more whole images: x_last_i may come with the last word of an image, and nowhere else.
//   Framing 2  a packet is one image: x_last_i comes with the last word of each image, and nowhere else.
// A packet that ends inside an image is filled up with zeros. With Framing 2, the rest of a packet that goes on after its
// image is dropped. Either way the image is broken: error_o is high for one cycle when that is seen, and broken_o is high
// while the answer to that image leaves. The next packet starts with a new image, after the broken answer has left.
// With Framing 2, there is exactly one answer for each packet, and it is broken exactly when the packet is not Words words.
//
// done_i: the last word of an answer moves out of the network, at least a cycle after the last word of its image moved in.
// At most 2^InsideBits - 1 images are inside; the next one waits.

module framing #(
  parameter int unsigned Bits       = 8,
  parameter int unsigned Words      = 1,  // of one image
  parameter int unsigned Framing    = 1,
  parameter int unsigned InsideBits = 6
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            x_valid_i,
  output logic            x_ready_o,
  input  logic [Bits-1:0] x_data_i,
  input  logic            x_last_i,
  output logic            y_valid_o,
  input  logic            y_ready_i,
  output logic [Bits-1:0] y_data_o,
  output logic            y_last_o,   // with the last word of the last image of a packet
  input  logic            done_i,
  output logic            broken_o,
  output logic            error_o,
  output logic            first_o,    // the first word of an image moves into the network
  output logic            busy_o      // an image is inside
);
  if (Framing > 2) begin : check_framing
    $error("framing: Framing=%0d must be 0, 1 or 2", Framing);
  end

  localparam int unsigned WordBits = $clog2(Words + 1);
  typedef enum logic [1:0] {Pass, Fill, Skip, Drain} state_e;

  state_e state_q, state_d;
  logic [WordBits-1:0]   word_q;
  logic [InsideBits-1:0] inside_q;
  logic                  at_end, room, move, early, late;

  assign at_end = word_q == WordBits'(Words - 1);
  assign room   = word_q != '0 || inside_q != '1;
  assign move   = y_valid_o && y_ready_i;
  assign early  = state_q == Pass && move && x_last_i && !at_end && Framing != 0;
  assign late   = state_q == Pass && move && !x_last_i && at_end && Framing == 2;

  assign y_valid_o = state_q == Fill || (state_q == Pass && x_valid_i && room);
  assign x_ready_o = state_q == Skip || (state_q == Pass && y_ready_i && room);
  assign y_data_o  = state_q == Fill ? '0 : x_data_i;
  assign y_last_o  = at_end && (state_q == Fill || x_last_i || Framing == 2);
  assign broken_o  = state_q != Pass && inside_q == InsideBits'(1);
  assign error_o   = early || late;
  assign first_o   = move && word_q == '0;
  assign busy_o    = inside_q != '0;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      Pass: begin
        if (early) state_d = Fill;
        else if (late) state_d = Skip;
      end
      Fill:    if (move && at_end) state_d = Drain;
      Skip:    if (x_valid_i && x_last_i) state_d = Drain;
      default: if (inside_q == '0) state_d = Pass;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q  <= Pass;
      word_q   <= '0;
      inside_q <= '0;
    end else begin
      state_q <= state_d;
      if (move) word_q <= at_end ? '0 : word_q + 1'b1;
      if (first_o && !done_i) inside_q <= inside_q + 1'b1;
      if (done_i && !first_o) inside_q <= inside_q - 1'b1;
    end
  end
endmodule
